"""What is shipped is known: each package with version, hash and licence, and its known holes."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import cyclonedx.schema
import jsonschema_rs
import pytest

ROOT = Path(__file__).parents[2]
# Licences of the GNU family that shipped packages have, and why each may be shipped beside BSD code.
COPYLEFT: Final = {
    "fastremap": "LGPL: imported as it is; cellpose needs it",
    "fill-voids": "LGPL: imported as it is; cellpose needs it",
    "psycopg": "LGPL: imported as it is",
    "psycopg-binary": "LGPL: imported as it is",
}
GNU: Final = re.compile(r"GPL|GNU|Affero", re.IGNORECASE)
LESSER: Final = re.compile(r"LGPL|Lesser", re.IGNORECASE)


def script(name: str) -> ModuleType:
    """Load a script of continuous integration."""
    spec = importlib.util.spec_from_file_location(f"ci_{name}", ROOT / ".ci" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def cyclonedx_schema() -> jsonschema_rs.Validator:
    """The standard, from the files that the library brings; its own validator takes a minute for these."""
    folder = Path(cyclonedx.schema.__file__).parent / "_res"
    names = ("spdx.SNAPSHOT.schema.json", "jsf-0.82.SNAPSHOT.schema.json", "bom-1.6.SNAPSHOT.schema.json")
    *parts, whole = (json.loads((folder / name).read_text(encoding="utf-8")) for name in names)
    found = [(f"http://cyclonedx.org/schema/{name}", part) for name, part in zip(names, parts, strict=False)]
    return jsonschema_rs.validator_for(whole, registry=jsonschema_rs.Registry(found))


SBOM = script("sbom")
AUDIT = script("audit")


@pytest.fixture(scope="module")
def documents() -> dict[str, dict[str, Any]]:
    """The lists of all images."""
    return {image: json.loads(SBOM.document_of(image)) for image in SBOM.IMAGES}


class TestContents:
    def test_images_are_those_of_the_dockerfile(self) -> None:
        """Each image is listed, from exactly the lock files that it is installed from."""
        dockerfile = (ROOT / "Dockerfile.gpu").read_text(encoding="utf-8")
        stages = re.split(r"^FROM ", dockerfile, flags=re.MULTILINE)
        bases = {match[2]: match[1] for stage in stages if (match := re.match(r"(\S+) AS (\S+)", stage))}
        files = {
            match[2]: set(re.findall(r"-r (\S+)", stage))
            for stage in stages
            if (match := re.match(r"(\S+) AS (\S+)", stage))
        }
        installed = {image: files[image] | files.get(bases[image], set()) for image in files}

        assert {image: set(locks) for image, locks in SBOM.IMAGES.items()} == {
            image: installed[image] for image in ("api", "worker-cpu", "worker-gpu")
        }

    def test_lists_keep_to_the_standard(self, documents: dict[str, dict[str, Any]]) -> None:
        """CycloneDX 1.6, word for word; a list with a mistake in it would be noticed."""
        standard = cyclonedx_schema()
        wrong = {**documents["api"], "components": [{**documents["api"]["components"][0], "type": "thing"}]}

        assert [] == [error.message for one in documents.values() for error in standard.iter_errors(one)]
        assert not standard.is_valid(wrong)

    def test_every_locked_package_is_listed(self, documents: dict[str, dict[str, Any]]) -> None:
        """With version, purl, and the hash of every file that may be installed; torch alone has none."""
        for image, document in documents.items():
            listed = {one["name"]: one for one in document["components"]}
            locked = SBOM.contents_of(image)

            assert len(locked) == len(listed) > 50
            for package in locked:
                found = listed[package.name]
                hashes = [
                    entry["content"]
                    for place in found.get("externalReferences", [])
                    for entry in place["hashes"]
                ]
                assert (package.version, f"pkg:pypi/{package.name}@{package.version}") == (
                    found["version"],
                    found["purl"],
                )
                assert sorted(package.sha256) == sorted(hashes)
                assert package.sha256 or package.name == "torch"

    def test_lock_is_read_as_pip_reads_it(self) -> None:
        """No line of a lock is lost: what is left out is for other platforms."""
        locked = {package.name for package in SBOM.contents_of("worker-cpu")}
        text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
        names = {
            re.sub("[-_.]+", "-", name).lower() for name in re.findall(r"^([\w.-]+)==", text, re.MULTILINE)
        }

        assert {"async-timeout", "colorama", "tzdata"} == names - locked
        assert {"torch"} == locked - names

    def test_missing_part_is_said(self, documents: dict[str, dict[str, Any]]) -> None:
        """The list of the GPU's image says that it lacks the CUDA libraries."""
        told = documents["worker-gpu"]["metadata"]["component"]["properties"]

        assert "CUDA" in told[0]["value"]
        assert "properties" not in documents["api"]["metadata"]["component"]


class TestLicences:
    def test_of_everything_shipped_are_known(self) -> None:
        """No package comes without terms."""
        unknown = [one.name for one in SBOM.contents_of("worker-cpu") if SBOM.licence_of(one) is None]

        assert [] == unknown

    def test_allow_shipping(self) -> None:
        """Nothing is under the GPL or AGPL alone, and what is under the LGPL is listed with its reason."""
        gnu = {
            one.name: licence
            for image in SBOM.IMAGES
            for one in SBOM.contents_of(image)
            if GNU.search(licence := SBOM.licence_of(one) or "")
        }

        assert set(COPYLEFT) == set(gnu)
        assert [] == [name for name, licence in gnu.items() if not LESSER.search(licence)]


class TestAudit:
    REPORT: Final = {
        "dependencies": [
            {"name": "good", "version": "1.0", "vulns": []},
            {"name": "bad", "version": "2.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1"]}]},
            {
                "name": "odd",
                "skip_reason": "Dependency not found on PyPI and could not be audited: odd (3.0)",
            },
        ]
    }

    def test_hole_fails(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        """A known hole is named with its cure, and ends the run."""
        monkeypatch.setattr(AUDIT, "audit", lambda _: AUDIT.findings_of(self.REPORT))

        assert 1 == AUDIT.main()
        assert "bad 2.0: PYSEC-1, fixed in 2.1" in capsys.readouterr().out

    def test_what_could_not_be_asked_is_said(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Behind an index that tells nothing the run goes on, and nobody reads that all is well."""
        silent = {"dependencies": [self.REPORT["dependencies"][2]]}
        monkeypatch.setattr(AUDIT, "audit", lambda _: AUDIT.findings_of(silent))

        assert 0 == AUDIT.main()
        assert "NOT AUDITED: 1 packages" in capsys.readouterr().out

    def test_reads_what_pip_audit_writes(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The tool itself is run on a lock of one line; whether it reaches an index or not, it is told."""
        (tmp_path / "lock.txt").write_text("click==8.5.1\n", encoding="utf-8")
        monkeypatch.setattr(AUDIT, "ROOT", tmp_path)
        found = AUDIT.audit("lock.txt")

        assert (found.audited + found.unaudited == 1) is (found.failure is None)

    def test_is_part_of_continuous_integration(self) -> None:
        """Both run at every change."""
        steps = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
        finished = subprocess.run(
            ["make", "--dry-run", "audit", "sbom"], cwd=ROOT, capture_output=True, text=True, check=True
        )

        assert {"make audit", "make sbom"} <= set(steps)
        assert ".ci/audit.py" in finished.stdout
        assert ".ci/sbom.py" in finished.stdout
