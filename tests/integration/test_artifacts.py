"""Versions that only grow, aliases that move, bytes that are checked."""

from __future__ import annotations

import io
import json
import uuid
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from api.wiring import Wiring
from models.simulation.painting import Painting
from services.artifacts.promotion import check_promotion
from services.artifacts.service import ArtifactDamagedError, ArtifactService
from services.artifacts.shipped import ShippedWeightsError, read_shipped, register_shipped
from services.artifacts.types import ArtifactVersion
from services.errors import InvalidInputError, NotFoundError
from services.filtering.loading import open_filter
from services.pagination import PageRequest
from services.storage.keys import sha256_hex

pytestmark = pytest.mark.integration


@pytest.fixture
def name() -> str:
    """A name that no other test uses."""
    return f"net-{uuid.uuid4().hex[:12]}"


def add(wiring: Wiring, name: str, content: bytes = b"weights", job_id: str | None = None) -> ArtifactVersion:
    """Add a version in a transaction of its own."""
    with wiring.sessions.begin() as session:
        service = ArtifactService(session, wiring.store)
        return service.add("segmenter", name, {"kind": "segmenter"}, {"weights.safetensors": content}, job_id)


class TestArtifactService:
    def test_versions_count_up(self, wiring: Wiring, name: str) -> None:
        """The first version is 1, the next 2."""
        assert [add(wiring, name, b"a").version, add(wiring, name, b"b").version] == [1, 2]

    def test_many_writers_get_a_number_each(self, wiring: Wiring, name: str) -> None:
        """Concurrent trainings of one name neither clash nor leave gaps."""
        with ThreadPoolExecutor(8) as pool:
            versions = [v.version for v in pool.map(lambda i: add(wiring, name, bytes([i])), range(8))]

        assert sorted(versions) == [1, 2, 3, 4, 5, 6, 7, 8]

    def test_a_job_that_runs_again_finds_its_version(self, wiring: Wiring, name: str) -> None:
        """A worker that died after adding does not add a second one."""
        job_id = f"job_{uuid.uuid4().hex}"

        assert add(wiring, name, b"x", job_id).ref == add(wiring, name, b"x", job_id).ref

    def test_an_alias_moves(self, wiring: Wiring, name: str) -> None:
        """A reference by alias means another version after the alias was moved."""
        add(wiring, name, b"a")
        add(wiring, name, b"b")
        found = []
        for version in (1, 2):
            with wiring.sessions.begin() as session:
                service = ArtifactService(session, wiring.store)
                service.set_alias("segmenter", name, "production", version)
                found.append(service.resolve("segmenter", name).version)

        assert found == [1, 2]

    @pytest.mark.parametrize("ref", ["nothing/1", "nothing/production", "nothing"])
    def test_an_unknown_reference_is_named(self, wiring: Wiring, ref: str) -> None:
        """The error says what was looked for."""
        with wiring.readers() as session, pytest.raises(NotFoundError, match="nothing"):
            ArtifactService(session, wiring.store).resolve("segmenter", ref)

    @pytest.mark.parametrize("version", ["0", "99999999999999999999999", "-1", "2147483648"])
    def test_an_absurd_version_is_not_found(self, wiring: Wiring, name: str, version: str) -> None:
        """No number makes the database fail."""
        add(wiring, name)

        with wiring.readers() as session, pytest.raises(NotFoundError):
            ArtifactService(session, wiring.store).get("segmenter", name, version)

    @pytest.mark.parametrize("bad", ["", "Upper", "../x", "a b", "x" * 65, "7"])
    def test_an_alias_must_be_fit_for_urls_and_no_number(self, wiring: Wiring, name: str, bad: str) -> None:
        """An alias that looks like a version would be ambiguous."""
        add(wiring, name)

        with wiring.readers() as session, pytest.raises(InvalidInputError, match="alias"):
            ArtifactService(session, wiring.store).set_alias("segmenter", name, bad, 1)

    def test_tampered_bytes_are_noticed(self, wiring: Wiring, name: str) -> None:
        """Weights that changed in the store are never used."""
        version = add(wiring, name, f"honest {name}".encode())
        wiring.store.put(version.files["weights.safetensors"].key, b"tampered")

        with wiring.readers() as session, pytest.raises(ArtifactDamagedError, match="backup"):
            ArtifactService(session, wiring.store).open_file(version, "weights.safetensors")

    def test_a_download_holds_manifest_and_files(self, wiring: Wiring, name: str) -> None:
        """The ZIP opens and its files are those that were added."""
        version = add(wiring, name, b"the weights")
        with wiring.readers() as session:
            content = b"".join(ArtifactService(session, wiring.store).archive(version))
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            weights, manifest = archive.read("weights.safetensors"), json.loads(archive.read("manifest.json"))

        assert weights == b"the weights"
        assert manifest == {"kind": "segmenter"}

    def test_a_damaged_version_is_no_broken_download(self, wiring: Wiring, name: str) -> None:
        """The damage is noticed before the first byte is sent."""
        version = add(wiring, name, f"whole {name}".encode())
        wiring.store.put(version.files["weights.safetensors"].key, b"damaged")

        with wiring.readers() as session, pytest.raises(ArtifactDamagedError):
            ArtifactService(session, wiring.store).archive(version)

    def test_pages_cover_every_version_once(self, wiring: Wiring, name: str) -> None:
        """Walking the cursor over small pages finds each version exactly once."""
        for content in (b"a", b"b", b"c"):
            add(wiring, name, content)
        seen: list[str] = []
        cursor = None
        with wiring.readers() as session:
            while True:
                page = ArtifactService(session, wiring.store).list_page("segmenter", PageRequest(2, cursor))
                seen += [version.ref for version in page.items]
                cursor = page.next_cursor
                if cursor is None:
                    break

        assert len(seen) == len(set(seen))
        assert {f"{name}/{number}" for number in (1, 2, 3)} <= set(seen)


class TestRegisterShipped:
    def test_registers_once(self, wiring: Wiring) -> None:
        """Starting twice adds nothing the second time."""
        first = register_shipped(wiring.sessions, wiring.store)
        second = register_shipped(wiring.sessions, wiring.store)

        assert [v.ref for v in first] == [v.ref for v in second]
        assert "chromosome" in {v.name for v in first}

    def test_the_first_version_is_in_production(self, wiring: Wiring) -> None:
        """A fresh installation segments without any set-up."""
        register_shipped(wiring.sessions, wiring.store)
        with wiring.readers() as session:
            found = ArtifactService(session, wiring.store).resolve("segmenter", "chromosome/production")

        assert found.version == 1

    def test_damaged_weights_stop_the_start(self, tmp_path: Path) -> None:
        """A weights file that is not the described one is refused, with advice."""
        (tmp_path / "net.json").write_text(
            json.dumps({"kind": "segmenter", "name": "net", "weights_sha256": sha256_hex(b"true")})
        )
        (tmp_path / "net.safetensors").write_bytes(b"false")

        with pytest.raises(ShippedWeightsError, match="check the files out again"):
            read_shipped(tmp_path)

    def test_weights_that_no_manifest_describes_stop_the_start(self, tmp_path: Path) -> None:
        """Bytes without a known hash are not registered."""
        (tmp_path / "net.json").write_text(json.dumps({"kind": "generator", "name": "net"}))
        (tmp_path / "net.safetensors").write_bytes(b"whose?")

        with pytest.raises(ShippedWeightsError, match="does not hash"):
            read_shipped(tmp_path)

    @pytest.mark.parametrize("pictures", [{}, {".png": "plot.png", ".html": "map.html"}])
    def test_a_filter_has_files_of_its_own(self, tmp_path: Path, pictures: dict[str, str]) -> None:
        """They are called as a fit calls them; pictures may be left out."""
        manifest = {"kind": "filter", "name": "net", "weights_sha256": sha256_hex(b"arrays")}
        (tmp_path / "filter_net.json").write_text(json.dumps(manifest))
        for suffix in (".safetensors", ".md", *pictures):
            (tmp_path / f"filter_net{suffix}").write_bytes(b"arrays")
        (shipped,) = read_shipped(tmp_path)

        assert ("filter", "net") == (shipped.kind, shipped.name)
        assert {"filter.safetensors", "card.md", *pictures.values()} == set(shipped.files)

    def test_the_filter_is_in_production_and_may_be(self, wiring: Wiring) -> None:
        """It belongs to the shipped classifier, was measured on crops that neither had seen, and loads."""
        register_shipped(wiring.sessions, wiring.store)
        with wiring.readers() as session:
            artifacts = ArtifactService(session, wiring.store)
            version = artifacts.resolve("filter", "translocation/production")
            classifier = artifacts.resolve("classifier", "translocation/1")
            found = open_filter(version, artifacts)
            card = artifacts.open_file(version, "card.md").decode()
        check_promotion(version, "production")

        assert "translocation/1" == version.ref
        assert {"filter.safetensors", "card.md", "plot.png"} == set(version.files)
        assert ("translocation/1", classifier.manifest["weights_sha256"]) == (
            found.spec.classifier,
            found.spec.classifier_sha256,
        )
        assert classifier.manifest["dataset"] == {
            name: version.manifest["dataset"][name] for name in ("name", "version", "sha256")
        }
        assert (12.0, 0) == tuple(version.manifest["parameters"][name] for name in ("normal_ratio", "seed"))
        assert "Advanced Digital Imaging Research" in card

    def test_what_needs_no_weights_is_registered_too(self, wiring: Wiring) -> None:
        """The painter is a version with a card and no weights, and in production from the start."""
        register_shipped(wiring.sessions, wiring.store)
        with wiring.readers() as session:
            painted = ArtifactService(session, wiring.store).resolve("generator", "painted/production")

        assert ["card.md"] == list(painted.files)
        assert Painting() == Painting.from_json(painted.manifest["parameters"])
