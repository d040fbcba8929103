from __future__ import annotations

import csv
from pathlib import Path

import pytest

from client.errors import UnexpectedAnswerError
from client.exporting import ExportReport, export_crops
from client.http import Client
from tests.fakes.tiny_service import TinyService, crop, image


@pytest.fixture
def stocked(service: TinyService) -> TinyService:
    """A service with five crops of two images."""
    service.images = [image(f"img_{n:04d}", "S1", f"m{n}.tif", f"{n}") for n in range(2)]
    service.crops = [crop(f"crop_{n}", f"img_{n % 2:04d}") for n in range(5)]
    service.crops[4]["predictions"] = [
        {"classifier": "c/1", "class": "normal", "probabilities": {"normal": 0.9, "aberration": 0.1}},
        {"classifier": "c/2", "class": "aberration", "probabilities": {"normal": 0.2, "aberration": 0.8}},
    ]
    return service


def rows(report: ExportReport) -> list[dict[str, str]]:
    """The CSV, read back."""
    with report.manifest.open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.usefixtures("stocked")
class TestExportCrops:
    def test_writes_pictures_and_their_table(self, client: Client, tmp_path: Path) -> None:
        """Every crop has a picture, and its row leads there."""
        report = export_crops(client, tmp_path, filters={"job": "job_1"})

        assert (report.crops, report.fetched, report.kept) == (5, 5, 0)
        assert all((tmp_path / row["file"]).read_bytes().startswith(b"\x89PNG") for row in rows(report))
        assert {"m0.tif", "m1.tif"} == {row["image_filename"] for row in rows(report)}
        assert tuple(rows(report)[0][name] for name in ("y0", "x0", "y1", "x1", "flags")) == (
            "10",
            "20",
            "70",
            "44",
            "touching",
        )

    def test_tells_the_newest_prediction(self, client: Client, tmp_path: Path) -> None:
        """Of several predictions the last one counts."""
        row = rows(export_crops(client, tmp_path, filters={"job": "job_1"}))[4]

        assert (
            row["classifier"],
            row["predicted_class"],
            row["p_aberration"],
        ) == ("c/2", "aberration", "0.8")

    def test_tells_how_synthetic_crops_were_made(
        self, client: Client, stocked: TinyService, tmp_path: Path
    ) -> None:
        """Without an image, but with source, generator, seed and sample; of real ones the cells are empty."""
        made = {"source_crop_id": "crop_7", "generator": "painted/1", "seed": 9, "sample_number": 1}
        stocked.crops[1] = crop(
            "crop_1",
            origin="generated",
            image_id=None,
            sample=None,
            synthetic={**made, "canvas_scale": 1.6},
        )

        real, synthetic = rows(export_crops(client, tmp_path, filters={"job": "job_1"}))[:2]

        assert {name: str(value) for name, value in made.items()} == {name: synthetic[name] for name in made}
        assert ("generated", "", "") == tuple(synthetic[name] for name in ("origin", "image_id", "sample"))
        assert {""} == {real[name] for name in made}

    def test_continues(self, client: Client, stocked: TinyService, tmp_path: Path) -> None:
        """A second export fetches only what is missing."""
        export_crops(client, tmp_path, filters={"job": "job_1"})
        (tmp_path / "crops" / "crop_3.png").unlink()

        report = export_crops(client, tmp_path, filters={"job": "job_1"})

        assert (report.crops, report.fetched, report.kept) == (5, 1, 4)
        assert len(stocked.seen("GET", "/v1/crops/crop_3/image.png")) == 2

    def test_channels_do_not_mix(self, client: Client, stocked: TinyService, tmp_path: Path) -> None:
        """Grey pictures of one channel go to a folder of their own."""
        export_crops(client, tmp_path, filters={"job": "job_1"}, channel="dapi")

        assert {"crops_dapi", "crops.csv"} == {path.name for path in tmp_path.iterdir()}
        assert stocked.seen("GET", "/v1/crops/crop_0/image.png")[0].query == {"channel": "dapi"}

    def test_saves_each_label_image_once(self, client: Client, tmp_path: Path) -> None:
        """One TIFF per image and job."""
        report = export_crops(client, tmp_path, filters={"job": "job_1"}, masks=True)

        assert report.masks == 2
        assert {"img_0000_job_1.tif", "img_0001_job_1.tif"} == {
            p.name for p in (tmp_path / "masks").iterdir()
        }

    def test_writes_nowhere_else(self, client: Client, stocked: TinyService, tmp_path: Path) -> None:
        """An id that is a path is refused."""
        stocked.crops = [crop("../../evil")]

        with pytest.raises(UnexpectedAnswerError, match="evil"):
            export_crops(client, tmp_path / "out", filters={"job": "job_1"})

        assert not (tmp_path.parent / "evil.png").exists()

    def test_passes_filters_on(self, client: Client, stocked: TinyService, tmp_path: Path) -> None:
        """The service filters, not the client."""
        export_crops(client, tmp_path, filters={"sample": "S1", "class": "normal"})

        query = stocked.seen("GET", "/v1/crops")[0].query
        assert (query["sample"], query["class"]) == ("S1", "normal")
