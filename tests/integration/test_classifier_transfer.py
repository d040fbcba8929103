"""Classifiers taken from one installation to another: what arrives, and what is refused."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import safetensors.torch
import torch
from sqlalchemy.orm import Session

from api.wiring import Wiring, wire
from models.classification import network
from models.state_files import sha256_of
from services.artifacts.service import ArtifactService
from services.artifacts.shipped import register_shipped
from services.artifacts.types import ArtifactVersion
from services.config import Settings
from services.db.engine import make_engine
from services.db.migrate import upgrade
from services.filtering.selection import FilterClassifierMissingError, classifier_of
from services.jobs.params import ArtifactImportParams
from services.jobs.types import Job
from tests.support import servers
from tests.support.classifiers import weights
from tests.support.datasets import archive, new_name
from tests.support.fitting import bars, content_of, files_of, fitted, manifest_of
from tests.support.jobs import run_here

pytestmark = pytest.mark.integration

WEIGHTS, MANIFEST = "weights.safetensors", "manifest.json"


@pytest.fixture(scope="module")
def opened(address: str) -> Iterator[httpx.Client]:
    """A client for fixtures that many tests share."""
    with httpx.Client(base_url=address, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def elsewhere(wiring: Wiring, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wiring]:
    """Another installation, with a database and a store of its own."""
    with servers.own_database(wiring.settings.database_url.get_secret_value()) as url:
        settings = Settings(
            _env_file=None,
            database_url=url,
            broker_url=wiring.settings.broker_url,
            gpu_queue=wiring.settings.gpu_queue,
            cpu_queue=wiring.settings.cpu_queue,
            object_store_url=servers.store_url(tmp_path_factory.mktemp("elsewhere")),
        )
        engine = make_engine(url)
        upgrade(engine)
        wired = wire(settings, engine=engine)
        yield wired
        wired.close()
        servers.empty(settings)


@pytest.fixture(scope="module")
def dataset(opened: httpx.Client) -> str:
    """Drawn bars that classifier and filter learn from."""
    return bars(opened)


@pytest.fixture(scope="module")
def original(wiring: Wiring, opened: httpx.Client, dataset: str) -> Job:
    """A job that trained a classifier, and reported on every split that there can be."""
    torch.set_num_threads(1)
    body = {
        "kind": "classifier_training",
        "name": new_name(),
        "dataset": dataset,
        "epochs": 1,
        "canvas_px": 32,
        "test_time_flips": True,
        "leave_out_groups": ["T2"],
        "licence": "CC-BY-4.0",
        "description": "Of bars.",
    }
    return run_here(wiring, opened.post("/v1/jobs", json=body).json()["id"])


@pytest.fixture(scope="module")
def files(opened: httpx.Client, original: Job) -> dict[str, bytes]:
    """What is in the ZIP that an installation gives of it."""
    return files_of(opened, original)


def uploaded(
    wiring: Wiring, content: bytes, kind: str = "classifier", filename: str = "bars-1.zip", **said: Any
) -> Job:
    """Import an artifact as the API does once it has received it, and run the job."""
    params = ArtifactImportParams(name=new_name(), **said)
    job = wiring.submissions.import_artifact(kind, params, io.BytesIO(content), filename)
    return run_here(wiring, job.id)


def version_of(session: Session, wiring: Wiring, job: Job, kind: str = "classifier") -> ArtifactVersion:
    assert job.status == "succeeded", job.error
    return ArtifactService(session, wiring.store).resolve(kind, job.result["artifact"])


def arrived(wiring: Wiring, job: Job) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Manifest and files of the version that an import made."""
    with wiring.readers() as session:
        version = version_of(session, wiring, job)
        artifacts = ArtifactService(session, wiring.store)
        return dict(version.manifest), {name: artifacts.open_file(version, name) for name in version.files}


def refusal(wiring: Wiring, content: bytes) -> str:
    """Why an upload is not taken."""
    job = uploaded(wiring, content)

    assert "failed" == job.status
    assert job.error is not None
    assert "internal_error" != job.error["code"]
    return str(job.error["detail"])


def with_manifest(files: dict[str, bytes], change: Callable[[dict[str, Any]], Any]) -> bytes:
    """The download, whose manifest somebody changed."""
    manifest = json.loads(files[MANIFEST])
    change(manifest)
    return archive(files | {MANIFEST: json.dumps(manifest).encode()})


def with_weights(files: dict[str, bytes], content: bytes) -> bytes:
    """The download with other weights, whose digest is told."""
    changed = {WEIGHTS: content} | {name: one for name, one in files.items() if name != WEIGHTS}
    return with_manifest(changed, lambda told: told.update(weights_sha256=sha256_of(content)))


class TestTransfer:
    def test_a_filter_finds_its_classifier(
        self, wiring: Wiring, elsewhere: Wiring, client: httpx.Client, dataset: str, original: Job
    ) -> None:
        """It may come after its filter, under any name; until then the filter says what is missing."""
        made = fitted(wiring, client, dataset, original.result["artifact"])
        moved = uploaded(elsewhere, content_of(client, made), "filter")
        with elsewhere.readers() as session, pytest.raises(FilterClassifierMissingError):
            classifier_of(session, version_of(session, elsewhere, moved, "filter"))
        classifier = uploaded(elsewhere, content_of(client, original))
        with elsewhere.readers() as session:
            found = classifier_of(session, version_of(session, elsewhere, moved, "filter"))

        assert classifier.result["artifact"] == found.ref != original.result["artifact"]

    def test_keeps_the_weights_and_what_is_known_of_them(
        self, elsewhere: Wiring, client: httpx.Client, original: Job, files: dict[str, bytes]
    ) -> None:
        """Byte for byte, and everything that makes a score; figures are marked by where they come from."""
        before = manifest_of(client, original)
        after, kept = arrived(elsewhere, uploaded(elsewhere, archive(files)))
        there = after.pop("imported")

        assert files[WEIGHTS] == kept[WEIGHTS]
        assert before | {"name": after["name"]} == after
        assert {"val", "test", "left_out"} == set(after["metrics"])
        assert (before["name"], "bars-1.zip") == (there["name"], there["filename"])

    def test_writes_its_card_anew(self, elsewhere: Wiring, files: dict[str, bytes]) -> None:
        """No page or picture of a stranger is ever shown here."""
        strange = files | {"card.md": b"# Trust me", "roc_pr.png": b"no"}
        _, kept = arrived(elsewhere, uploaded(elsewhere, archive(strange)))
        card = kept["card.md"].decode()

        assert {WEIGHTS, "card.md"} == set(kept)
        assert "Uploaded as `bars-1.zip`" in card
        assert "nothing was measured here" in card
        assert "Trust me" not in card

    def test_the_uploader_may_describe_it_anew(self, elsewhere: Wiring, files: dict[str, bytes]) -> None:
        """What is said with the upload wins."""
        manifest, _ = arrived(
            elsewhere, uploaded(elsewhere, archive(files), licence="MIT", description="Ours.")
        )

        assert ("MIT", "Ours.") == (manifest["licence"], manifest["description"])

    def test_takes_the_shipped_classifier(self, wiring: Wiring, client: httpx.Client) -> None:
        """Its notice goes with it, and its figures let it be promoted."""
        register_shipped(wiring.sessions, wiring.store)
        job = uploaded(wiring, client.get("/v1/artifacts/classifier/translocation/1/content").content)
        _, kept = arrived(wiring, job)
        name, version = job.result["artifact"].split("/")
        path = f"/v1/artifacts/classifier/{name}/aliases/production"

        assert "Advanced Digital Imaging Research" in kept["card.md"].decode()
        assert 200 == client.put(path, json={"version": int(version)}).status_code

    def test_one_without_figures_is_not_promoted(
        self, wiring: Wiring, client: httpx.Client, files: dict[str, bytes]
    ) -> None:
        """It can be used under another alias."""
        job = uploaded(wiring, with_manifest(files, lambda told: told.pop("metrics")))
        arrived(wiring, job)
        name, version = job.result["artifact"].split("/")
        path = f"/v1/artifacts/classifier/{name}/aliases"
        refused = client.put(f"{path}/production", json={"version": int(version)})

        assert (409, "promotion_refused") == (refused.status_code, refused.json()["code"])
        assert 200 == client.put(f"{path}/trial", json={"version": int(version)}).status_code

    def test_a_starting_point_stays_one(self, wiring: Wiring, client: httpx.Client) -> None:
        """Uploaded as weights alone it cannot classify, and neither can its download."""
        first = uploaded(wiring, weights(), filename="net.safetensors", licence="MIT")
        manifest, kept = arrived(wiring, uploaded(wiring, content_of(client, first)))

        assert (False, 2, "MIT") == (manifest["trained"], manifest["num_classes"], manifest["licence"])
        assert files_of(client, first)[WEIGHTS] == kept[WEIGHTS]


class TestTampering:
    @pytest.mark.parametrize("place", [0, 9, 0.3, -1])
    def test_of_the_weights_is_noticed(self, wiring: Wiring, files: dict[str, bytes], place: float) -> None:
        """One bit anywhere."""
        changed = bytearray(files[WEIGHTS])
        changed[place if isinstance(place, int) else int(place * len(changed))] ^= 4

        assert "weights_sha256" in refusal(wiring, archive(files | {WEIGHTS: bytes(changed)}))

    @pytest.mark.parametrize(
        ("change", "named"),
        [
            (lambda told: told.pop("weights_sha256"), "weights_sha256"),
            (lambda told: told.update(kind="filter"), "this is a"),
            (lambda told: told.update(trained="yes"), "trained"),
            (lambda told: told.update(trained=1), "trained"),
            (lambda told: told.update(classes=["aberration", "normal"]), "classes"),
            (lambda told: told.update(architecture="resnet50"), "architecture"),
            (lambda told: told.pop("preprocessing"), "preprocessing"),
            (lambda told: told["preprocessing"].update(canvas_px=100_000), "canvas_px"),
            (lambda told: told["preprocessing"].update(gamma=2.0), "gamma"),
            (lambda told: told["preprocessing"]["normalisation"].update(std=[0.0, 0.1, 0.1]), "std"),
            (lambda told: told["calibration"].update(temperature=0), "temperature"),
            (lambda told: told.update(test_time_flips="no"), "test_time_flips"),
            (lambda told: told.update(metrics="excellent"), "metrics"),
            (lambda told: told["metrics"]["test"]["crops"]["recall"].update(value=2), "recall"),
            (lambda told: told["metrics"]["test"].update(groups=[{"aberrations": 9}]), "groups"),
            (lambda told: told["training"].update(groups="T1"), "groups"),
            (lambda told: told.update(licence=["MIT"]), "licence"),
            (lambda told: told.update(description="\x00"), "no database"),
            (lambda told: told["parameters"].update(seed=float("nan")), "no JSON"),
            (lambda told: told["parameters"].update(a=json.loads("[" * 40 + "]" * 40)), "deep"),
        ],
    )
    def test_of_the_manifest_is_noticed(
        self, wiring: Wiring, files: dict[str, bytes], change: Callable[[dict[str, Any]], Any], named: str
    ) -> None:
        """It must be that of the weights, and have the form of a manifest."""
        assert named in refusal(wiring, with_manifest(files, change))

    def test_what_is_not_known_is_left_out(self, wiring: Wiring, files: dict[str, bytes]) -> None:
        """A later version may say more of a classifier."""
        manifest, _ = arrived(
            wiring, uploaded(wiring, with_manifest(files, lambda told: told.update(mood="good")))
        )

        assert "mood" not in manifest


class TestOtherUploads:
    @pytest.mark.parametrize(
        ("name", "named"),
        [
            (f"../{WEIGHTS}", "absolute names"),
            ("/etc/passwd", "absolute names"),
            ("archive/data.pkl", "data.pkl"),
            ("other.zip", "archive itself"),
        ],
    )
    def test_other_members_are_refused(
        self, wiring: Wiring, files: dict[str, bytes], name: str, named: str
    ) -> None:
        """A download has certain files, no pickle, and no path leads out of it."""
        assert named in refusal(wiring, archive(files | {name: b"strange"}))

    @pytest.mark.parametrize("name", [WEIGHTS, MANIFEST])
    def test_a_missing_member_is_named(self, wiring: Wiring, files: dict[str, bytes], name: str) -> None:
        """Half a download is none."""
        half = {one: content for one, content in files.items() if one != name}

        assert f"no {name}" in refusal(wiring, archive(half))

    @pytest.mark.parametrize("old", [False, True])
    def test_a_checkpoint_is_not_kept_as_weights(
        self, wiring: Wiring, files: dict[str, bytes], *, old: bool
    ) -> None:
        """Weights stay as they are, so a pickle under their name is refused, plain tensors or not."""
        stream = io.BytesIO()
        torch.save(network.build().state_dict(), stream, _use_new_zipfile_serialization=not old)

        wanted = "no safetensors" if old else "archive itself"
        assert wanted in refusal(wiring, with_weights(files, stream.getvalue()))

    def test_a_network_must_give_scores(self, wiring: Wiring, files: dict[str, bytes]) -> None:
        """Weights that are finite numbers may still give none."""
        state = network.build().state_dict() | {"fc.weight": torch.full((2, 512), 3e38)}

        assert "not finite" in refusal(wiring, with_weights(files, safetensors.torch.save(state)))

    def test_a_trained_network_has_two_classes(self, wiring: Wiring, files: dict[str, bytes]) -> None:
        """Whatever its manifest says."""
        content = network.to_safetensors(network.build(1000))

        assert "1000 classes" in refusal(wiring, with_weights(files, content))
