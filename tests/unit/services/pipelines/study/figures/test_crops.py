from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.typing import NDArray

from services.pipelines.study.figures.crops import gallery_sheet, samples
from services.pipelines.study.figures.pictures import Gallery
from tests.support.study_results import pictures

BBDM = pictures().galleries["bbdm"]


def drawn(figure: Figure | None) -> list[NDArray[np.uint8]]:
    """Crops of a figure as (3, S, S), as they stand."""
    assert figure is not None
    images = [image for axes in figure.get_axes() for image in axes.get_images()]
    return [np.asarray(image.get_array()).transpose(2, 0, 1) for image in images]


class TestSamples:
    def test_source_dapi_and_made_stand_side_by_side(self) -> None:
        """DAPI alone is grey."""
        source, dapi, made = drawn(samples(BBDM, "made"))[:3]

        assert (BBDM.sources[0] == source).all()
        assert (BBDM.sources[0, 2] == dapi).all()
        assert (BBDM.made[0] == made).all()

    def test_the_worst_and_the_best_by_the_filter(self) -> None:
        """First what needs the highest level, then what needs the least; both are written."""
        needed = BBDM.needed_level
        assert needed is not None

        figure = samples(BBDM, "bad and good")

        crops = drawn(figure)
        assert (BBDM.made[needed.argmax()] == crops[2]).all()
        assert (BBDM.made[needed.argmin()] == crops[5]).all()
        assert figure is not None
        captions = [axes.get_xlabel() for axes in figure.get_axes() if axes.get_xlabel()]
        assert [f"needs level {needed.max():.2f}", f"needs level {needed.min():.2f}"] == captions

    @pytest.mark.parametrize("kind", ["kept", "rejected"])
    def test_the_filter_tells_them_apart(self, kind: str) -> None:
        """Six at most, all with that verdict."""
        assert BBDM.kept is not None
        wanted = BBDM.made[BBDM.kept == (kind == "kept")][:6]

        crops = drawn(samples(BBDM, kind))

        assert (wanted == np.stack(crops[2::3])).all()

    def test_without_a_filter_the_first_are_shown(self) -> None:
        """Nothing is called kept or rejected then."""
        plain = Gallery(BBDM.sources, BBDM.made)

        assert 6 == len(drawn(samples(plain, "bad and good")))
        assert samples(plain, "kept") is None

    def test_one_crop_and_none(self) -> None:
        """A single crop is the worst and the best; without any there is no figure."""
        one = Gallery(BBDM.sources[:1], BBDM.made[:1], np.array([True]), np.array([0.3]))

        assert 3 == len(drawn(samples(one, "bad and good")))
        assert samples(one, "rejected") is None
        assert samples(Gallery(BBDM.sources[:0], BBDM.made[:0]), "made") is None


class TestGallerySheet:
    def test_twelve_of_each_beside_real_ones(self) -> None:
        """Three generators and real aberrations."""
        assert 48 == len(drawn(gallery_sheet(pictures())))

    def test_frames_show_the_verdict(self) -> None:
        """Thick ones around what the filter judged, thin ones around the rest."""
        figure = gallery_sheet(replace(pictures(), galleries={"bbdm": BBDM}))

        assert figure is not None
        widths = [axes.spines["left"].get_linewidth() for axes in figure.get_axes()]
        assert [0.5] * 12 + [2.4] * 12 == widths
        dashed = [axes.spines["left"].get_linestyle() == "--" for axes in figure.get_axes()[12:]]
        assert BBDM.kept is not None
        assert (~BBDM.kept[:12]).tolist() == dashed

    def test_few_crops_and_no_generator(self) -> None:
        """A short row is drawn; real crops alone are no gallery."""
        few = Gallery(BBDM.sources[:2], BBDM.made[:2])

        assert 2 == len(drawn(gallery_sheet(replace(pictures(), galleries={"bbdm": few})))[12:])
        assert gallery_sheet(replace(pictures(), galleries={})) is None
