"""What the development set's tables mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.development_set.tables import Chromosome, View, expected_counts, read_slides
from tests.support.metaphases import write_metaphases


class TestChromosome:
    @pytest.mark.parametrize(
        ("label", "views", "verdict"),
        [
            ("normal", {"V1"}, "normal"),
            ("normal", {"V2"}, None),
            ("translocation", {"V1"}, "aberration"),
            ("translocation", {"V2"}, None),
            ("uncertain", {"V1"}, "excluded"),
            ("uncertain", set(), "excluded"),
        ],
    )
    def test_verdict_in_a_view(self, label: str, views: set[str], verdict: str | None) -> None:
        """Normal where it is painted, aberrant where the junction shows, excluded where nobody knows."""
        assert verdict == Chromosome(1, label, frozenset(views)).verdict("V1")


class TestView:
    def test_channels_are_the_last_letter(self) -> None:
        """A view is a rule of the upload: which plane is red, which green."""
        view = View("V1", "R", "G")

        assert {"red": "*R.tif", "green": "*G.tif", "dapi": "*D.tif"} == view.channels
        assert ["aR.tif", "aG.tif", "aD.tif"] == [file.name for file in view.files(Path(), "a")]


class TestReadSlides:
    def test_cells_with_and_without_masks(self, tmp_path: Path) -> None:
        """A slide knows which of its cells somebody outlined."""
        slide, *others = read_slides(write_metaphases(tmp_path, undrawn=True))

        assert ("S1", "train") == (slide.name, slide.split)
        assert (["V101"], ["V1EX"]) == ([m.name for m in slide.drawn], [m.name for m in slide.undrawn])
        assert [("S2", "val"), ("S3", "test")] == [(one.name, one.split) for one in others]

    def test_a_slide_in_two_subsets_is_refused(self, tmp_path: Path) -> None:
        """A slide in two splits would leak."""
        table = write_metaphases(tmp_path, undrawn=True) / "metaphases.csv"
        table.write_text(table.read_text("utf-8").replace("V1EX,S1,train", "V1EX,S1,val"), "utf-8")

        with pytest.raises(ValueError, match="S1 is in 2 subsets"):
            read_slides(tmp_path)

    def test_the_same_picture_twice_is_one_cell(self, tmp_path: Path) -> None:
        """A cell that the tables list under two names counts once, as the service stores it once."""
        images = write_metaphases(tmp_path, undrawn=True) / "images" / "S1"
        (images / "V1EXD.tif").write_bytes((images / "V101D.tif").read_bytes())
        slide = read_slides(tmp_path)[0]

        assert (["V101"], ("V1EX",)) == ([one.name for one in slide.metaphases], slide.repeated)


class TestExpectedCounts:
    def test_counts_crops_of_all_views(self, tmp_path: Path) -> None:
        """A chromosome counts once for each view in which it is labelled."""
        counts = expected_counts(read_slides(write_metaphases(tmp_path)))

        assert {"normal": 3, "aberration": 1, "excluded": 2} == counts["train"]
        assert counts["train"] == counts["val"] == counts["test"]
