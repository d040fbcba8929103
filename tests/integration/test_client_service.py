"""The client against the whole service: real database, broker, API, worker and network."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image as Picture
from typer.testing import CliRunner

from client.cli.app import app
from client.errors import ProblemError
from client.exporting import export_crops
from client.figures import figures_of
from client.http import Client
from client.records import Dataset, Job
from client.uploading import UploadReport
from services.config import Settings
from services.embedded.supervisor import running_service
from tests.support.classifiers import weights
from tests.support.datasets import labelled_archive
from tests.support.generators import generator_weights

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "samples"
WEIGHTS = ROOT / "models" / "weights" / "segmenter_chromosome.safetensors"
RULE = {"dapi": "*_dapi.tif", "red": "*_red.tif", "green": "*_green.tif"}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A whole service in a folder with a space in its name."""
    with running_service(Settings(data_dir=tmp_path_factory.mktemp("client service")), port=0) as started:
        yield started


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[Client]:
    """A client of it."""
    with Client(url) as made:
        yield made


@pytest.fixture(scope="module")
def segmenter(client: Client) -> str:
    """Weights that were uploaded as any lab would, under an alias."""
    job = client.wait(client.upload_artifact("segmenter", "lab", WEIGHTS, licence="BSD-3-Clause").id)
    assert job.status == "succeeded", job.error
    client.set_alias("segmenter", "lab", "production", 1)
    return "lab/production"


@pytest.fixture(scope="module")
def uploaded(client: Client) -> UploadReport:
    """Two of the sample metaphases, six files."""
    files = [*SAMPLES.glob("A230150_*.tif"), *SAMPLES.glob("P0704XY_*.tif")]
    return client.upload(sorted(files), "CLIENT-1", channels=RULE, slide="7")


@pytest.fixture(scope="module")
def segmented(client: Client, uploaded: UploadReport, segmenter: str) -> tuple[Job, list[Job]]:
    """A finished segmentation of one metaphase, and every state that was seen on the way."""
    states: list[Job] = []
    job = client.submit("segmentation", image_ids=uploaded.image_ids[:1], segmenter=segmenter)
    return client.wait(job.id, states.append), states


@pytest.fixture(scope="module")
def dataset(client: Client, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A few labelled pictures on three slides."""
    archive = tmp_path_factory.mktemp("archive") / "lab.zip"
    archive.write_bytes(labelled_archive())
    return client.import_dataset("lab", archive, licence="CC0-1.0")


@pytest.fixture(scope="module")
def start(client: Client, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Weights of a ResNet-18 that were uploaded to train from."""
    file = tmp_path_factory.mktemp("weights") / "resnet18.safetensors"
    file.write_bytes(weights())
    job = client.wait(client.upload_artifact("classifier", "start", file).id)
    assert job.status == "succeeded", job.error
    return "start/1"


@pytest.fixture(scope="module")
def classifier(client: Client, dataset: Dataset, start: str) -> str:
    """A classifier after one epoch, in production as any lab would do it."""
    body = {"name": "lab", "dataset": dataset.ref, "classifier": start, "epochs": 1, "canvas_px": 32}
    job = client.wait(client.submit("classifier_training", **body).id)
    assert job.status == "succeeded", job.error
    client.set_alias("classifier", "lab", "production", 1)
    return "lab/production"


class TestUpload:
    def test_makes_one_image_of_three_files(self, client: Client, uploaded: UploadReport) -> None:
        """Each metaphase has its channels and its slide."""
        images = list(client.images(sample="CLIENT-1"))

        assert uploaded.count("stored") == 6
        assert [image.channels for image in images] == [("red", "green", "dapi")] * 2
        assert {image.slide for image in images} == {"7"}

    def test_sends_nothing_twice(self, client: Client, uploaded: UploadReport) -> None:
        """The client knows the service's hashes of whole metaphases."""
        report = client.upload([SAMPLES], "CLIENT-1", channels=RULE)
        again = client.upload([SAMPLES], "CLIENT-1", channels=RULE)

        assert report.skipped_files == 6
        assert (again.skipped_files, again.batches) == (12, ())
        assert set(uploaded.image_ids) < set(again.image_ids)

    def test_the_service_says_duplicate(self, client: Client, uploaded: UploadReport) -> None:
        """Files that are sent all the same get the first image's id."""
        files = sorted(SAMPLES.glob("A230150_*.tif"))
        report = client.upload(files, "CLIENT-1", channels=RULE, skip_stored=False)

        assert report.count("duplicate") == 3
        assert report.image_ids == uploaded.image_ids[:1]

    def test_a_bad_file_rejects_itself(self, client: Client, tmp_path: Path) -> None:
        """Its code is the contract's, and the good file is stored."""
        whole = (SAMPLES / "A230150_dapi.tif").read_bytes()
        (tmp_path / "cut.tif").write_bytes(whole[: len(whole) // 2])
        (tmp_path / "good.tif").write_bytes(whole)

        report = client.upload([tmp_path], "CLIENT-2")

        errors = {item.filename: item.error.code for item in report.items if item.error}
        assert errors == {"cut.tif": "truncated_file"}
        assert report.count("stored") == 1


class TestSegmentation:
    def test_is_followed_to_its_end(self, segmented: tuple[Job, list[Job]]) -> None:
        """The last state seen is the end, and progress never goes backwards."""
        job, states = segmented

        assert (job.status, states[-1].status) == ("succeeded", "succeeded")
        assert job.artifacts == {"segmenter": "lab/1"}
        done = [state.progress.done for state in states]
        assert done == sorted(done)

    def test_pictures_and_masks_can_be_saved(
        self, client: Client, segmented: tuple[Job, list[Job]], tmp_path: Path
    ) -> None:
        """Preview, overlay, label image and polygons, all of this job."""
        image_id = next(client.crops(job=segmented[0].id)).image_id or ""

        preview = client.download_preview(image_id, tmp_path / "p.png")
        overlay = client.download_overlay(image_id, tmp_path / "o.png", job=segmented[0].id)
        masks = client.download_masks(image_id, tmp_path / "m.tif", job=segmented[0].id)
        polygons = client.download_masks(image_id, tmp_path / "m.geojson", job=segmented[0].id)

        with Picture.open(preview) as opened:
            assert opened.size == (645, 517)
        with Picture.open(overlay) as opened:
            assert opened.width >= 645
        with Picture.open(masks) as opened:
            assert opened.size == (645, 517)
        assert len(json.loads(polygons.read_text())["features"]) == sum(
            1 for _ in client.crops(job=segmented[0].id)
        )

    def test_crops_are_exported_and_the_export_continues(
        self, client: Client, segmented: tuple[Job, list[Job]], tmp_path: Path
    ) -> None:
        """One PNG per chromosome, a table that describes it, and nothing fetched twice."""
        first = export_crops(client, tmp_path, filters={"job": segmented[0].id}, masks=True)
        second = export_crops(client, tmp_path, filters={"job": segmented[0].id}, masks=True)

        with first.manifest.open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        assert 35 <= first.crops <= 50
        assert (second.fetched, second.kept) == (0, first.crops)
        assert all((tmp_path / row["file"]).is_file() for row in rows)
        assert {row["image_filename"] for row in rows} == {"A230150"}

    def test_a_verdict_is_kept(self, client: Client, segmented: tuple[Job, list[Job]]) -> None:
        """An annotation can be listed by its class."""
        crop = next(client.crops(job=segmented[0].id))

        client.annotate(crop.id, "excluded", "m.koch")

        assert [found.id for found in client.crops(job=segmented[0].id, class_="excluded")] == [crop.id]


class TestDatasets:
    def test_an_archive_becomes_a_version(self, client: Client, dataset: Dataset) -> None:
        """Counted per split and class, listed under its name, with its crops."""
        assert {"train", "val", "test"} == {item.split for item in client.dataset_items("lab", 1)}
        assert (dataset.ref, dataset.counts["val"]["aberration"]) == ("lab/1", 2)
        assert client.dataset_versions("lab") == [dataset] == [client.dataset("lab", 1)]
        assert "lab/1" in {found.ref for found in client.datasets()}

    def test_an_export_is_the_same_version_again(
        self, client: Client, dataset: Dataset, tmp_path: Path
    ) -> None:
        """What was saved can be imported, and is known."""
        written = client.export_dataset("lab", 1, tmp_path / "lab.zip")

        assert client.import_dataset("lab", written).sha256 == dataset.sha256

    def test_verdicts_are_frozen(self, client: Client, segmented: tuple[Job, list[Job]]) -> None:
        """Many verdicts at once, then a version of them."""
        crops = [crop.id for crop in client.crops(job=segmented[0].id)]
        verdicts = [(crop, "aberration" if n < 3 else "normal") for n, crop in enumerate(crops)]

        annotated = client.annotate_all(verdicts, "m.koch")
        frozen = client.freeze_dataset("drawn", job_ids=[segmented[0].id], splits={"train": ["7"]})

        assert annotated == len(crops) == frozen.items
        assert frozen.counts["train"]["aberration"] == 3

    def test_suggestions_have_reasons(self, client: Client, segmented: tuple[Job, list[Job]]) -> None:
        """Touching chromosomes deserve a look before they are learnt from."""
        found = list(client.suggestions(job=segmented[0].id))

        assert found
        assert all(reason.code and reason.detail for one in found for reason in one.reasons)


class TestClassification:
    def test_training_tells_figures(self, client: Client, classifier: str) -> None:
        """Of both held-out splits, so that it may go into production."""
        version = client.artifact_version("classifier", *classifier.split("/"))

        assert {"validation", "test"} == {row.split for row in figures_of(version.manifest["metrics"])}
        assert version.manifest["dataset"]["name"] == "lab"

    def test_crops_are_classified(
        self, client: Client, segmented: tuple[Job, list[Job]], classifier: str, tmp_path: Path
    ) -> None:
        """Table, list by probability, embedding and neighbours tell of the same predictions."""
        made = segmented[0].id
        job = client.wait(client.submit("classification", job_id=made, classifier=classifier).id)
        rows = {row.crop_id: row.probability for row in client.predictions(job.id)}
        listed = list(client.crops(job=made, classifier=job.artifacts["classifier"], sort="-probability"))
        table = client.download_predictions(job.id, tmp_path / "p.parquet", embeddings=True)

        assert job.status == "succeeded", job.error
        assert rows == {crop.id: crop.probability for crop in listed}
        assert [crop.id for crop in listed] == sorted(rows, key=lambda crop: (-rows[crop], crop))
        assert table.read_bytes()[:4] == b"PAR1"
        assert len(client.embedding(listed[0].id).embedding) == 512
        neighbours = client.similar(listed[0].id, 3, job=made)
        assert [one.distance for one in neighbours] == sorted(one.distance for one in neighbours)
        assert len({listed[0].id, *(one.crop_id for one in neighbours)}) == 4

    def test_weights_to_start_from_cannot_classify(
        self, client: Client, segmented: tuple[Job, list[Job]], start: str
    ) -> None:
        """They were uploaded and know nothing of chromosomes."""
        with pytest.raises(ProblemError, match="start"):
            client.submit("classification", job_id=segmented[0].id, classifier=start)


class TestGeneration:
    def test_synthetic_crops_come_from_real_ones(
        self, client: Client, segmented: tuple[Job, list[Job]], tmp_path: Path
    ) -> None:
        """Each tells its source; the sample has as many crops as before, and the strip can be saved."""
        before = [crop.id for crop in client.crops(sample="CLIENT-1")]
        body = {"job_id": segmented[0].id, "max_sources": 4, "samples_per_source": 2, "quality": False}
        job = client.wait(client.submit("generation", **body).id)
        made = list(client.crops(job=job.id))
        provenance = [crop.synthetic for crop in made if crop.synthetic]

        assert ("succeeded", {"generator": "painted/1"}) == (job.status, job.artifacts)
        assert [0, 1] * 4 == [one.sample_number for one in provenance]
        assert {one.source_crop_id for one in provenance} < set(before)
        assert {("generated", None)} == {(crop.origin, crop.sample) for crop in made}
        assert before == [crop.id for crop in client.crops(sample="CLIENT-1")]
        with Picture.open(client.download_samples(job.id, tmp_path / "s.png", limit=3)) as opened:
            assert "PNG" == opened.format

    def test_one_command_generates_and_saves_the_report(
        self, url: str, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Another one tells the report again."""
        monkeypatch.setenv("KARYOBRIDGE_URL", url)
        runner = CliRunner()

        made = runner.invoke(
            app, ["generate", "--dataset", dataset.ref, "--samples", "2", "--out", str(tmp_path), "--json"]
        )
        told = json.loads(made.stdout)
        again = runner.invoke(app, ["quality", told["job"]["id"]])

        assert [0, 0] == [made.exit_code, again.exit_code]
        assert dataset.ref == told["quality"]["compared_with"]
        assert {"samples.png", "quality.json", "quality/max_ssim.png"} < {
            Path(file).relative_to(tmp_path).as_posix() for file in told["files"]
        }
        assert "4 synthetic crops with 2 training aberrations of lab/1" in again.stdout

    def test_a_network_of_elsewhere_generates(
        self, client: Client, segmented: tuple[Job, list[Job]], tmp_path: Path
    ) -> None:
        """Uploaded with the size of its pictures, then sampled in a few steps."""
        (tmp_path / "bridge.safetensors").write_bytes(generator_weights("bbdm"))
        told = {"method": "bbdm", "canvas_px": 32, "scale": 0.8, "prediction_type": "grad"}
        imported = client.wait(
            client.upload_artifact("generator", "bridge", tmp_path / "bridge.safetensors", **told).id
        )
        body = {"job_id": segmented[0].id, "max_sources": 2, "generator": "bridge/1", "quality": False}
        job = client.wait(client.submit("generation", **body, sampler="dbim", steps=3).id)

        assert "succeeded" == imported.status, imported.error
        assert ("succeeded", 2) == (job.status, (job.result or {})["crops"]), job.error
        with pytest.raises(ProblemError, match="steps means nothing"):
            client.submit("generation", **{**body, "generator": "painted/1"}, steps=3)
        with pytest.raises(ProblemError, match="not asked for") as missing:
            client.quality(job.id)
        assert "quality_missing" == missing.value.problem_code

    def test_a_generator_is_trained(
        self, url: str, client: Client, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """By one command, into production."""
        monkeypatch.setenv("KARYOBRIDGE_URL", url)
        tiny = ("-p", "width=32", "-p", "canvas_px=32", "-p", "sample_steps=3", "-p", "batch_size=2")
        arguments = ("train", "generator", "tiny", "--dataset", dataset.ref, "--steps", "2", *tiny)

        trained = CliRunner().invoke(app, [*arguments, "--alias", "production"])
        version = client.artifact_version("generator", "tiny", "production")

        assert 0 == trained.exit_code, trained.output
        assert "validation loss" in trained.stdout
        assert ("bbdm", "lab") == (version.manifest["method"], version.manifest["dataset"]["name"])


class TestJobs:
    def test_partial_and_retry(self, client: Client) -> None:
        """Failed items can be run again, and what succeeded stays."""
        job = client.wait(client.submit("diagnostic", items=3, flaky_items=[1]).id)
        client.retry(job.id)
        again = client.wait(job.id)

        assert (job.status, again.status) == ("partial", "succeeded")
        assert [item.status for item in client.job_items(job.id)] == ["succeeded"] * 3

    def test_cancel(self, client: Client) -> None:
        """A running job stops between items."""
        job = client.submit("diagnostic", items=100, seconds_per_item=0.5)

        client.cancel(job.id)

        assert client.wait(job.id, timeout_s=60).status == "cancelled"

    def test_refusals_have_the_contracts_codes(self, client: Client) -> None:
        """Unknown kinds, unknown jobs and wrong parameters are told apart."""
        with pytest.raises(ProblemError) as kind:
            client.submit("alchemy")
        with pytest.raises(ProblemError) as unknown:
            client.job("job_none")
        with pytest.raises(ProblemError) as wrong:
            client.submit("diagnostic", items=-1)

        assert (kind.value.status, kind.value.problem_code) == (422, "unknown_kind")
        assert (unknown.value.status, unknown.value.problem_code) == (404, "not_found")
        assert wrong.value.status == 422
        assert any("items" in error.field for error in wrong.value.errors)

    def test_one_idempotency_key_is_one_job(self, client: Client) -> None:
        """A program that was killed and started again finds its job."""
        first, second = (client.submit("diagnostic", items=1, idempotency_key="run-1") for _ in range(2))

        assert first.id == second.id


class TestCommandLine:
    def test_from_files_to_chromosomes(
        self, url: str, segmenter: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Upload, run, export: three commands, each of which a script can read."""
        monkeypatch.setenv("KARYOBRIDGE_URL", url)
        rule = ("--dapi", "*_dapi.tif", "--red", "*_red.tif", "--green", "*_green.tif")
        files = [str(path) for path in sorted(SAMPLES.glob("V280162_*.tif"))]
        runner = CliRunner()

        upload = runner.invoke(app, ["upload", *files, "-s", "CLI-1", *rule, "--json"])
        run = runner.invoke(app, ["run", "-s", "CLI-1", "--segmenter", segmenter, "--wait", "--json"])
        job_id = json.loads(run.stdout)["id"]
        export = runner.invoke(app, ["crops", "export", str(tmp_path), "--job", job_id, "--json"])

        assert [upload.exit_code, run.exit_code, export.exit_code] == [0, 0, 0]
        assert len(json.loads(upload.stdout)["image_ids"]) == 1
        assert json.loads(export.stdout)["crops"] == json.loads(run.stdout)["result"]["chromosomes"]

    def test_from_files_to_flagged_chromosomes(
        self, url: str, segmenter: str, classifier: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One command uploads, segments and classifies; another saves the table."""
        monkeypatch.setenv("KARYOBRIDGE_URL", url)
        rule = ("--dapi", "*_dapi.tif", "--red", "*_red.tif", "--green", "*_green.tif")
        files = [str(path) for path in sorted(SAMPLES.glob("V1801XY_*.tif"))]
        networks = ("--segmenter", segmenter, "--classifier", classifier)
        runner = CliRunner()

        # Whatever such a network says, a threshold of 0 flags everything.
        score = runner.invoke(
            app, ["score", *files, "-s", "CLI-2", *rule, *networks, "--threshold", "0", "--json"]
        )
        told = json.loads(score.stdout)
        table = runner.invoke(app, ["predictions", told["job"]["id"], str(tmp_path / "p.csv")])

        assert (score.exit_code, table.exit_code) == (0, 0)
        assert told["job"]["kind"] == "scoring"
        assert len(told["flagged"]) == told["job"]["result"]["chromosomes"] > 30
        assert told["flagged"][0]["probability"] == max(row["probability"] for row in told["flagged"])
        with (tmp_path / "p.csv").open(newline="") as stream:
            assert len(list(csv.DictReader(stream))) == len(told["flagged"])

    def test_starts_as_a_module(self, url: str) -> None:
        """``python -m client`` needs nothing of the service's code."""
        blocked = (
            "import sys; sys.modules.update(dict.fromkeys(['services', 'api', 'workers', 'models', 'torch']))"
        )
        program = (
            f"{blocked}; sys.argv = ['client', 'health', '--json']; import runpy; runpy.run_module('client')"
        )
        code = program.replace("run_module('client')", "run_module('client', run_name='__main__')")

        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={"KARYOBRIDGE_URL": url},
            capture_output=True,
            check=False,
        )

        assert done.returncode == 0, done.stderr.decode()
        assert json.loads(done.stdout)["ready"] is True
