from __future__ import annotations

import io
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Picture
from rich.console import Console

from client.demo.pictures import Region, region_of, upright
from client.demo.report import write_report
from client.demo.session import DemoResult, ImageResult, count_labels, file_stem
from client.demo.steps import print_results
from client.records import ArtifactVersion, Crop, Image, Job, JobItem
from client.uploading import UploadReport
from tests.fakes.tiny_service import crop, image, job, png


@pytest.fixture
def result(tmp_path: Path) -> DemoResult:
    """One metaphase with two chromosomes, and one that failed; with a name that is an attack."""
    name = "<script>alert(1)</script>.tif"
    (tmp_path / "crops").mkdir()
    for file in ("preview.png", "overlay.png"):
        (tmp_path / file).write_bytes(png(400, 200))
    crops = (
        crop("crop_1", label=1),
        crop("crop_2", label=2, bbox=[0, 0, 20, 10], flags=[], length_px=15.0, width_px=6.0),
    )
    for one in crops:
        (tmp_path / "crops" / f"{one['id']}.png").write_bytes(png(24, 60))
    outputs = {
        "seconds": 3.25,
        "shifts_px": {"red": {"dy": 1.2, "dx": -0.4, "reliable": False}, "dapi": {"dy": 0.0, "dx": 0.0}},
        "removed": {"inconsistent_flow": 2, "small": 0},
    }
    return DemoResult(
        folder=tmp_path,
        images=(
            ImageResult(
                image=Image.model_validate(image("img_1", "S1", name, "0")),
                item=JobItem(status="succeeded", input_id="img_1", outputs=outputs),
                preview=tmp_path / "preview.png",
                overlay=tmp_path / "overlay.png",
                crops=tuple(Crop.model_validate(one) for one in crops),
                expected=3,
            ),
        ),
        failed=(JobItem(status="failed", input_id="img_2", error={"code": "x", "detail": "Too <dark>."}),),
        job=Job.model_validate(job("job_1", "partial", result={"weights_sha256": "feed"})),
        segmenter=ArtifactVersion(
            kind="segmenter", name="chromosome", version=1, sha256="beef", manifest={"metrics": {"ap50": 0.9}}
        ),
        uploaded=UploadReport(),
        upload_s=0.5,
        wait_s=4.0,
    )


class Page(HTMLParser):
    """Collects tags, attributes and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Note text."""
        self.text += data


@pytest.fixture
def html(result: DemoResult) -> str:
    """The page of that result."""
    page = write_report(result, "NOTICE & <terms>", datetime(2026, 11, 2, 8, 30, tzinfo=UTC))
    return page.read_text(encoding="utf-8")


class TestWriteReport:
    def test_needs_nothing_else(self, html: str) -> None:
        """Every picture is inside, and nothing is fetched from anywhere."""
        sources = [a["src"] for tag, a in Page(html).tags if tag == "img"]

        assert len(sources) == 4
        assert all(str(source).startswith("data:image/") for source in sources)
        assert not re.findall(r"(?:https?:)?//[a-z]", html)

    def test_escapes_what_others_wrote(self, html: str) -> None:
        """A file name or an error message cannot become part of the page."""
        assert "<script>alert" not in html
        assert "Too &lt;dark&gt;." in html
        assert "NOTICE &amp; &lt;terms&gt;" in html

    def test_tells_the_facts(self, html: str) -> None:
        """Counts, weights, time, shifts and what the data are."""
        text = " ".join(Page(html).text.split())

        for fact in (
            "2 chromosomes found in 1 metaphase",
            "1 metaphase could not be segmented",
            "red by +1.2 down, -0.4 right (uncertain)",
            "2 inconsistent flow",
            "feed",
            "beef",
            "metrics: ap50",
            "2026-11-02 08:30 UTC",
            "Two of them are shown at a time",
            "nothing here says anything about a patient",
        ):
            assert fact in text

    def test_links_each_chromosome_with_its_place(self, html: str) -> None:
        """From the overlay to the crop and back."""
        anchors = {a["id"]: a["href"] for tag, a in Page(html).tags if tag == "a" and "id" in a}

        assert anchors == {"b1-1": "#c1-1", "b1-2": "#c1-2", "c1-1": "#b1-1", "c1-2": "#b1-2"}


class TestPrintResults:
    def test_has_a_row_per_metaphase(self, result: DemoResult) -> None:
        """Found, expected, touching, flagged, seconds; failures have their reason."""
        stream = io.StringIO()
        print_results(Console(file=stream, width=140, markup=False), result)

        rows = [re.findall(r"[^│┃\s]+", line) for line in stream.getvalue().splitlines()]
        assert ["<script>alert(1)</script>.tif", "2", "3", "1", "1", "3.2"] in rows
        assert any("<dark>." in row for row in rows)


class TestRegion:
    def test_surrounds_all_chromosomes(self) -> None:
        """With a margin that ends at the image's edge."""
        crops = [Crop.model_validate(crop("a", bbox=box)) for box in ([30, 5, 60, 25], [100, 200, 120, 230])]

        assert region_of(crops, 500, 600) == Region(6, 0, 144, 254)

    def test_is_everything_where_nothing_was_found(self) -> None:
        """An empty metaphase is shown whole."""
        assert region_of([], 500, 600) == Region(0, 0, 500, 600)

    def test_places_boxes_in_percent(self) -> None:
        """Relative to the region, not to the image."""
        assert Region(100, 200, 200, 400).percent((150, 300, 160, 320)) == (50.0, 50.0, 10.0, 10.0)


class TestUpright:
    @pytest.mark.parametrize("orientation_deg", [0.0, 30.0, 90.0, 135.0])
    def test_long_axis_stands(self, tmp_path: Path, orientation_deg: float) -> None:
        """A bar at any angle is higher than wide once it is turned."""
        bar = Picture.new("RGB", (100, 100))
        bar.paste((255, 255, 255), (20, 45, 80, 55))
        bar.rotate(orientation_deg).save(tmp_path / "a.png")
        facts: dict[str, Any] = {"orientation_deg": orientation_deg, "length_px": 60.0, "width_px": 10.0}

        turned = upright(tmp_path / "a.png", Crop.model_validate(crop("a", **facts)))

        assert (turned.width_px, turned.height_px) == (20, 70)

    def test_leaves_a_crop_without_axis_as_it_is(self, tmp_path: Path) -> None:
        """An imported crop may have no orientation."""
        (tmp_path / "a.png").write_bytes(png(30, 20))

        shown = upright(tmp_path / "a.png", Crop.model_validate(crop("a", orientation_deg=None)))

        assert (shown.width_px, shown.height_px) == (30, 20)


class TestCountLabels:
    def test_counts_instances(self, tmp_path: Path) -> None:
        """Labels need not be consecutive; 0 is background."""
        masks = Picture.new("I;16", (10, 10))
        masks.putpixel((1, 1), 7)
        masks.putpixel((5, 5), 300)
        masks.save(tmp_path / "m.tif")

        assert count_labels(tmp_path / "m.tif") == 2

    def test_knows_nothing_without_masks(self, tmp_path: Path) -> None:
        """Images of one's own have none."""
        assert count_labels(tmp_path / "none.tif") is None


class TestFileStem:
    def test_is_a_safe_name(self) -> None:
        """Whatever the image was called, it stays within its folder."""
        one = Image.model_validate(image("img_0000abcdef", "S", "../../etc/pass wd.tif", "0"))

        assert file_stem(one) == "pass_wd_abcdef"
