from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from tests.fakes.tiny_service import Answer, TinyService, crop, image, job

Invoke = Callable[..., Result]

VERSION = {
    "kind": "segmenter",
    "name": "chromosome",
    "version": 2,
    "manifest": {"licence": "CC0"},
    "sha256": "ab",
}


@pytest.fixture
def stocked(service: TinyService) -> TinyService:
    """A service with an image, three crops and an artifact."""
    service.images = [image("img_0000", "S1", "m.tif", "00")]
    service.crops = [crop(f"crop_{n}") for n in range(3)]
    listed = Answer(body={"items": [VERSION], "next_cursor": None})
    aliases = [{"alias": "production", "version": 2}]
    named = Answer(
        body={"kind": "segmenter", "name": "chromosome", "versions": [VERSION], "aliases": aliases}
    )
    service.first("GET", "/v1/artifacts", listed)
    service.first("GET", "/v1/artifacts/segmenter/chromosome", named)
    service.first("GET", "/v1/artifacts/segmenter/chromosome/production", Answer(body=VERSION))
    return service


@pytest.mark.usefixtures("stocked")
class TestCrops:
    def test_lists(self, invoke: Invoke) -> None:
        """A row per crop; JSON has all members."""
        assert "10 20 70 44" in invoke("crops", "list", "--job", "job_1").stdout
        assert len(json.loads(invoke("crops", "list", "--json").stdout)) == 3

    def test_filters_and_sorts(self, invoke: Invoke, stocked: TinyService) -> None:
        """The service does both; --first takes the head of the list."""
        result = invoke(
            *("crops", "list", "-s", "S1", "--class", "aberration", "--min-probability", "0.5"),
            *("--not-annotated", "--sort", "-probability", "--first", "1", "--json"),
        )

        (request,) = stocked.seen("GET", "/v1/crops")
        assert request.query == {
            "sample": "S1",
            "class": "aberration",
            "min_probability": "0.5",
            "annotated": "false",
            "sort": "-probability",
            "limit": "500",
        }
        assert len(json.loads(result.stdout)) == 1

    def test_shows_the_chosen_classifiers_prediction(self, invoke: Invoke, stocked: TinyService) -> None:
        """With --classifier not the newest one of anybody."""
        told = [("c/1", "aberration", 0.75), ("c/2", "normal", 0.25)]
        stocked.crops[0] |= {
            "predicted_class": "normal",
            "probability": 0.25,
            "predictions": [
                {"classifier": ref, "class": name, "probabilities": {"aberration": p}}
                for ref, name, p in told
            ],
        }

        newest = invoke("crops", "list").stdout.splitlines()[1].split()
        chosen = invoke("crops", "list", "--classifier", "c/1").stdout.splitlines()[1].split()

        assert newest[-2:] == ["normal", "0.25"]
        assert chosen[-2:] == ["aberration", "0.75"]

    def test_shows_how_a_synthetic_crop_was_made(self, invoke: Invoke, stocked: TinyService) -> None:
        """Source, generator, seed and sample number."""
        made = {"source_crop_id": "crop_7", "generator": "painted/1", "seed": 9, "sample_number": 1}
        body = crop("crop_9", origin="generated", synthetic={**made, "canvas_scale": 1.6})
        stocked.first("GET", "/v1/crops/crop_9", Answer(body=body), Answer(body=body))

        assert '"generator": "painted/1"' in invoke("crops", "show", "crop_9").stdout
        assert {**made, "canvas_scale": 1.6} == json.loads(
            invoke("crops", "show", "crop_9", "--json").stdout
        )["synthetic"]

    def test_finds_what_was_made_of_a_crop(self, invoke: Invoke, stocked: TinyService) -> None:
        """The list filters by source."""
        invoke("crops", "list", "--source-crop", "crop_7", "--origin", "generated")

        query = stocked.seen("GET", "/v1/crops")[0].query
        assert ("crop_7", "generated") == (query["source_crop"], query["origin"])

    def test_exports_and_continues(self, invoke: Invoke, tmp_path: Path) -> None:
        """The second run fetches nothing anew."""
        invoke("crops", "export", tmp_path, "--job", "job_1", "--masks")
        report = json.loads(invoke("crops", "export", tmp_path, "--job", "job_1", "--json").stdout)

        assert (report["crops"], report["fetched"], report["already_there"]) == (3, 0, 3)
        assert (tmp_path / "crops.csv").is_file()

    def test_refuses_to_export_everything(self, invoke: Invoke, tmp_path: Path) -> None:
        """Without a filter all crops of a lab would come."""
        assert invoke("crops", "export", tmp_path).exit_code == 2
        assert invoke("crops", "export", tmp_path, "--sort", "id").exit_code == 2


@pytest.mark.usefixtures("stocked")
class TestImages:
    def test_lists_and_shows(self, invoke: Invoke) -> None:
        """Size and channels are in the list, everything in JSON."""
        assert "200x100" in invoke("images", "list", "-s", "S1").stdout
        assert json.loads(invoke("images", "show", "img_0000", "--json").stdout)["from_the_future"] is True

    def test_downloads_a_picture(self, invoke: Invoke, tmp_path: Path) -> None:
        """The file is written where it was asked for."""
        result = invoke("images", "download", "img_0000", tmp_path / "o.png", "--part", "overlay", "--json")

        assert json.loads(result.stdout)["size_bytes"] == (tmp_path / "o.png").stat().st_size


class TestArtifacts:
    def test_lists_versions_with_their_aliases(self, invoke: Invoke, stocked: TinyService) -> None:
        """Which version is in production can be seen."""
        assert "production" in invoke("artifacts", "list").stdout
        assert stocked.seen("GET", "/v1/artifacts/segmenter/chromosome")

    @pytest.mark.usefixtures("stocked")
    def test_a_bare_name_means_production(self, invoke: Invoke) -> None:
        """As in jobs."""
        assert "CC0" in invoke("artifacts", "show", "segmenter", "chromosome").stdout

    def test_uploads_waits_and_sets_an_alias(
        self, invoke: Invoke, service: TinyService, tmp_path: Path
    ) -> None:
        """The alias points at the version that the import made."""
        (tmp_path / "w.safetensors").write_bytes(b"w")
        done = job("job_9", "succeeded", result={"artifact": "ours/4"})
        service.jobs["job_9"] = [done]
        service.first("POST", "/v1/artifacts/segmenter", Answer(202, job("job_9", "queued")))
        service.first("PUT", "/v1/artifacts/segmenter/ours/aliases/production", Answer(body=VERSION))

        result = invoke(
            "artifacts", "upload", "segmenter", "ours", tmp_path / "w.safetensors", "--alias", "production"
        )

        (put,) = service.seen("PUT", "/v1/artifacts/segmenter/ours/aliases/production")
        assert result.exit_code == 0
        assert json.loads(put.body) == {"version": 4}

    def test_imports_a_generator(self, invoke: Invoke, service: TinyService, tmp_path: Path) -> None:
        """An official checkpoint does not tell the pictures that it was trained on."""
        (tmp_path / "bridge.pth").write_bytes(b"w")
        service.jobs["job_9"] = [job("job_9", "succeeded", result={"artifact": "official/1"})]
        service.first("POST", "/v1/artifacts/generator", Answer(202, job("job_9", "queued")))

        result = invoke(
            *("artifacts", "upload", "generator", "official", tmp_path / "bridge.pth", "--method", "bbdm"),
            *("--canvas-px", 64, "--scale", 1.6, "--background", "zero", "--prediction-type", "grad"),
        )

        told = {
            name: content for name, _, content in service.seen("POST", "/v1/artifacts/generator")[0].form()
        }
        assert 0 == result.exit_code
        assert {
            "name": b"official",
            "method": b"bbdm",
            "canvas_px": b"64",
            "scale": b"1.6",
            "background": b"zero",
            "prediction_type": b"grad",
            "file": b"w",
        } == told

    def test_sets_no_alias_on_what_failed(self, invoke: Invoke, service: TinyService, tmp_path: Path) -> None:
        """Refused weights never become production."""
        (tmp_path / "w.bin").write_bytes(b"w")
        service.jobs["job_9"] = [job("job_9", "failed")]
        service.first("POST", "/v1/artifacts/segmenter", Answer(202, job("job_9", "queued")))

        result = invoke(
            "artifacts", "upload", "segmenter", "ours", tmp_path / "w.bin", "--alias", "production"
        )

        assert result.exit_code == 1
        assert not [request for request in service.requests if request.method == "PUT"]

    @pytest.mark.parametrize("ref", ["/1", "a/", "a/b/c"])
    def test_refuses_references_that_are_none(self, invoke: Invoke, ref: str) -> None:
        """Nothing is sent for them."""
        assert invoke("artifacts", "show", "segmenter", ref).exit_code == 2


class TestRoot:
    def test_reads_the_key_from_a_file(self, invoke: Invoke, service: TinyService, tmp_path: Path) -> None:
        """A key never has to stand on a command line."""
        (tmp_path / "key").write_text("kb_file\n")

        invoke("--api-key-file", tmp_path / "key", "health")

        assert service.requests[0].headers["authorization"] == "Bearer kb_file"

    def test_says_that_a_key_file_is_empty(self, invoke: Invoke, tmp_path: Path) -> None:
        """Otherwise the service would only say that a key is missing."""
        (tmp_path / "key").touch()

        result = invoke("--api-key-file", tmp_path / "key", "health")

        assert result.exit_code == 2
        assert "the file is empty" in result.stderr
