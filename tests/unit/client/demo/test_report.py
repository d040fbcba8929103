from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Picture
from rich.console import Console

from client.demo.pictures import Region, region_of, upright
from client.demo.report import write_report
from client.demo.results import DemoResult, FilteredResult, ImageResult, SyntheticResult
from client.demo.samples import SampleNote
from client.demo.session import count_labels, file_stem
from client.demo.steps import print_filtered, print_results
from client.records import ArtifactVersion, Crop, FilterCount, Image, Job, JobItem
from client.uploading import UploadReport
from tests.fakes.tiny_service import crop, image, job, png

RESULT = {"weights_sha256": {"segmenter": "feed", "classifier": "f00d"}, "threshold": 0.375}
LEVEL = {
    "count": 90,
    "aberrations": 9,
    "precision": {"value": 0.75, "low": 0.5, "high": 1.0},
    "recall": {"value": 0.5, "low": 0.25, "high": 0.75},
    "f1": {"value": 0.6},
}
MANIFEST = {
    "dataset": {"name": "adir", "version": 1},
    "training": {"normal": 600, "aberration": 30, "groups": ["A06"]},
    "held_out_groups": {"val": ["A23"]},
    "metrics": {"test": {"crops": LEVEL, "chromosomes": LEVEL}},
}


@pytest.fixture
def result(tmp_path: Path) -> DemoResult:
    """One metaphase with two chromosomes, one of them flagged, and one metaphase that failed.

    Its name is an attack.
    """
    name = "<script>alert(1)</script>.tif"
    (tmp_path / "crops").mkdir()
    for file in ("preview.png", "overlay.png"):
        (tmp_path / file).write_bytes(png(400, 200))
    crops = (
        crop("crop_1", label=1, predicted_class="normal", probability=0.001),
        crop(
            "crop_2",
            label=2,
            bbox=[0, 0, 20, 10],
            flags=[],
            length_px=15.0,
            width_px=6.0,
            predicted_class="aberration",
            probability=0.934,
        ),
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
                note=SampleNote("A23", "normal, as far as anybody knows"),
            ),
        ),
        failed=(JobItem(status="failed", input_id="img_2", error={"code": "x", "detail": "Too <dark>."}),),
        job=Job.model_validate(job("job_1", "partial", result=RESULT)),
        segmenter=ArtifactVersion(
            kind="segmenter", name="chromosome", version=1, sha256="beef", manifest={"metrics": {"ap50": 0.9}}
        ),
        uploaded=UploadReport(),
        upload_s=0.5,
        wait_s=4.0,
        classifier=ArtifactVersion(
            kind="classifier", name="translocation", version=2, sha256="cafe", manifest=MANIFEST
        ),
        channels={"crop_2": dict.fromkeys(("red", "green", "dapi"), tmp_path / "crops" / "crop_2.png")},
    )


@pytest.fixture
def unclassified(result: DemoResult) -> DemoResult:
    """The same from a service without a classifier."""
    (image,) = result.images
    bare = {"predicted_class": None, "probability": None}
    crops = tuple(one.model_copy(update=bare) for one in image.crops)
    job_alone = result.job.model_copy(update={"result": {"weights_sha256": "feed"}})
    images = (replace(image, crops=crops),)
    return replace(result, images=images, classifier=None, channels={}, job=job_alone)


@pytest.fixture
def synthetic(result: DemoResult) -> DemoResult:
    """The same with what one generator made, and one that failed."""
    strip = result.folder / "strip.png"
    strip.write_bytes(png(120, 60))
    painted = ArtifactVersion(
        kind="generator",
        name="painted",
        version=1,
        sha256="d00d",
        manifest={"method": "painted", "limits": ["Knows <four> colours."]},
    )
    rival = ArtifactVersion(kind="generator", name="rival", version=4, manifest={"method": "cyclegan"})
    broken = job("job_3", "failed", error={"code": "x", "detail": "Too <large>."}, result=None)
    made = (
        SyntheticResult(painted, Job.model_validate(job("job_2", "succeeded", result={"crops": 12})), strip),
        SyntheticResult(rival, Job.model_validate(broken), None),
    )
    return replace(result, synthetic=made)


@pytest.fixture
def filtered(synthetic: DemoResult) -> DemoResult:
    """The same with what a filter says of it."""
    version = ArtifactVersion(
        kind="filter",
        name="translocation",
        version=1,
        sha256="fade",
        manifest={"filter": {"method": "umap", "level": 0.8}},
    )
    counts = {"painted/1": FilterCount(before=12, after=6), "<b>/2": FilterCount(before=8, after=0)}
    sieved = Job.model_validate(job("job_4", "succeeded", result={"drift": {"beyond_p99": 0.15}}))
    scored = synthetic.job.model_copy(update={"result": {**RESULT, "drift": {"beyond_p99": 0.004}}})
    page = synthetic.folder / "map.html"
    return replace(synthetic, job=scored, filtered=FilteredResult(version, sieved, counts, page))


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
    return written(result)


def written(result: DemoResult) -> str:
    """Write a page and read it."""
    page = write_report(result, "NOTICE & <terms>", datetime(2026, 11, 2, 8, 30, tzinfo=UTC))
    return page.read_text(encoding="utf-8")


def text_of(html: str) -> str:
    """What a reader sees, in one line."""
    return " ".join(Page(html).text.split())


class TestWriteReport:
    def test_needs_nothing_else(self, html: str) -> None:
        """Every picture is inside, and nothing is fetched from anywhere."""
        sources = [a["src"] for tag, a in Page(html).tags if tag == "img"]

        # Two scenes, two crops in the gallery, and the flagged one in colour and channel by channel.
        assert len(sources) == 8
        assert all(str(source).startswith("data:image/") for source in sources)
        assert not re.findall(r"(?:https?:)?//[a-z]", html)

    def test_escapes_what_others_wrote(self, html: str) -> None:
        """A file name or an error message cannot become part of the page."""
        assert "<script>alert" not in html
        assert "Too &lt;dark&gt;." in html
        assert "NOTICE &amp; &lt;terms&gt;" in html

    def test_tells_the_facts(self, html: str) -> None:
        """Counts, weights, time, shifts and what the data are."""
        text = text_of(html)

        for fact in (
            "1 of 2 chromosomes flagged as possible translocations in 1 metaphase",
            "1 metaphase could not be processed",
            "red by +1.2 down, -0.4 right (uncertain)",
            "2 inconsistent flow",
            "feed",
            "beef",
            "f00d",
            "cafe",
            "metrics: ap50",
            "2026-11-02 08:30 UTC",
            "Two of them are shown at a time",
            "nothing here says anything about a patient",
        ):
            assert fact in text

    def test_is_honest_about_the_classifier(self, html: str) -> None:
        """What it learnt from, how often it is right, and which slides prove nothing."""
        text = text_of(html)

        for fact in (
            "A flag is a hint to look, no finding, and this is not a medical device.",
            "learnt from data set adir/1 (600 normal and 30 aberrant crops; slides A06)",
            "On test slides, per crop: precision 0.75 (0.50 to 1.00), recall 0.50 (0.25 to 0.75), F1 0.60",
            "It did not learn from slide A23 shown here, but its threshold",
            "flagged from a probability of 0.38 on",
            "In the metaphase that the set calls normal, 1 of 2 chromosomes is flagged: false alarms",
        ):
            assert fact in text

    def test_shows_flagged_chromosomes_first(self, html: str) -> None:
        """With a frame and the probability, before the others of their metaphase."""
        crops = [
            a["class"] for tag, a in Page(html).tags if tag == "a" and str(a.get("id")).startswith("c1-")
        ]
        boxes = [
            a["class"] for tag, a in Page(html).tags if tag == "a" and str(a.get("id")).startswith("b1-")
        ]

        assert crops == ["crop flagged", "crop marked"]
        assert sorted(map(str, boxes)) == ["box", "box flagged"]
        assert "0.93 <script>alert(1)</script>.tif, number 2" in text_of(html)
        assert "<0.01" in text_of(html)

    def test_says_that_nothing_was_flagged(self, result: DemoResult) -> None:
        """And that this proves little."""
        (image,) = result.images
        crops = tuple(one.model_copy(update={"predicted_class": "normal"}) for one in image.crops)

        text = text_of(written(replace(result, images=(replace(image, crops=crops),), channels={})))

        assert "None. That is no proof that there is none" in text

    def test_says_that_nobody_measured_the_classifier(self, result: DemoResult) -> None:
        """Rather than showing no figures without a word."""
        bare = ArtifactVersion(kind="classifier", name="translocation", version=2)

        assert "Nobody measured how often it is right." in text_of(written(replace(result, classifier=bare)))

    def test_says_that_nothing_was_classified(self, unclassified: DemoResult) -> None:
        """Without a classifier the page shows what was found, longest first, and speaks of no flags."""
        html = written(unclassified)
        text = text_of(html)

        crops = [a["id"] for tag, a in Page(html).tags if tag == "a" and str(a.get("id")).startswith("c1-")]
        assert crops == ["c1-1", "c1-2"]
        assert "2 chromosomes found in 1 metaphase" in text
        assert "Nothing was classified." in text
        assert "possible translocations" not in text

    def test_shows_synthetic_chromosomes_apart(self, synthetic: DemoResult) -> None:
        """With a clear word that they do not exist; no number of the page changes."""
        html = written(synthetic)
        text = text_of(html)

        for fact in (
            "None of these chromosomes exists.",
            "no number on this page counts them, and no result of a sample ever does",
            "By painted/1: a second chromosome's colour is painted",
            "12 crops in 2.0 s.",
            "Knows <four> colours.",
            "painted, version 1",
            "d00d",
            "By rival/4: a CycleGAN",
            "It made none: Too <large>.",
            "1 of 2 chromosomes flagged as possible translocations in 1 metaphase",
        ):
            assert fact in text
        assert "Too &lt;large&gt;." in html
        strips = [a for tag, a in Page(html).tags if tag == "img" and a["width"] == "120"]
        assert 1 == len(strips)
        assert str(strips[0]["src"]).startswith("data:image/webp;base64,")

    def test_shows_what_the_filter_keeps(self, filtered: DemoResult) -> None:
        """By generator, with the share that is unlike the training data, and the map beside the page."""
        html = written(filtered)
        text = text_of(html)

        for fact in (
            "Which of them look real to filter translocation/1",
            "painted/1126",
            "15.0 % of them lie farther",
            "The map shows them",
            "translocation, version 1",
            "fade",
        ):
            assert fact in text
        assert ["map.html"] == [a["href"] for tag, a in Page(html).tags if a.get("href") == "map.html"]
        assert "&lt;b&gt;/2" in html

    def test_links_no_map_that_is_not_there(self, filtered: DemoResult) -> None:
        """Counts are shown without it; of a job that failed nothing is shown."""
        assert filtered.filtered is not None
        bare = written(replace(filtered, filtered=replace(filtered.filtered, page=None)))
        failed = written(replace(filtered, filtered=replace(filtered.filtered, page=None, counts={})))

        assert "map.html" not in bare
        assert ("look real to filter" in bare, "look real to filter" in failed) == (True, False)

    def test_is_silent_where_nothing_was_generated(self, html: str) -> None:
        """No empty section."""
        assert "ynthetic" not in text_of(html)

    def test_links_each_chromosome_with_its_place(self, html: str) -> None:
        """From the overlay to the crop and back."""
        anchors = {a["id"]: a["href"] for tag, a in Page(html).tags if tag == "a" and "id" in a}

        assert anchors == {"b1-1": "#c1-1", "b1-2": "#c1-2", "c1-1": "#b1-1", "c1-2": "#b1-2"}


class TestPrintResults:
    def test_has_a_row_per_metaphase(self, result: DemoResult) -> None:
        """Found, expected, touching, flagged, highest probability, seconds; failures have their reason."""
        rows = printed(result)

        assert ["<script>alert(1)</script>.tif", "2", "3", "1", "1", "0.93", "3.2"] in rows
        assert any("<dark>." in row for row in rows)

    def test_a_dash_is_what_was_not_classified(self, unclassified: DemoResult) -> None:
        """A zero would say that nothing is suspicious."""
        assert ["<script>alert(1)</script>.tif", "2", "3", "1", "-", "-", "3.2"] in printed(unclassified)


class TestPrintFiltered:
    def test_has_a_row_per_generator(self, filtered: DemoResult) -> None:
        """Before, after, and the share; and how many crops are unlike the training data."""
        rows = printed(filtered, print_filtered)

        assert ["painted/1", "12", "6", "50%"] in rows
        assert ["<b>/2", "8", "0", "0%"] in rows
        assert ["all", "20", "6", "30%"] in rows
        assert "Drift: 0.4% of the chromosomes and 15.0% of the synthetic crops lie" in " ".join(rows[-1])

    def test_says_why_nothing_was_filtered(self, filtered: DemoResult) -> None:
        """With the service's reason."""
        assert filtered.filtered is not None
        broken = Job.model_validate(job("job_4", "failed", error={"detail": "No <room>."}, result=None))
        failed = replace(filtered, filtered=FilteredResult(filtered.filtered.filter, broken))

        assert ["Nothing", "was", "filtered:", "failed,", "No", "<room>."] in printed(failed, print_filtered)

    def test_is_silent_without_a_filter(self, result: DemoResult) -> None:
        """Nothing was asked."""
        assert [] == printed(result, print_filtered)


def printed(
    result: DemoResult, printing: Callable[[Console, DemoResult], None] = print_results
) -> list[list[str]]:
    """Words of each line of the table."""
    stream = io.StringIO()
    printing(Console(file=stream, width=140, markup=False, soft_wrap=True), result)
    return [re.findall(r"[^│┃\s]+", line) for line in stream.getvalue().splitlines()]


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
