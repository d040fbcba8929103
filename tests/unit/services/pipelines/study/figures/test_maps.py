from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from services.pipelines.study.figures.maps import max_ssim, umap_maps
from tests.support.study_results import pictures


class TestMaxSsim:
    def test_real_validation_crops_come_first(self) -> None:
        """They are the yardstick; every generator follows with its median."""
        figure = max_ssim(pictures())

        assert figure is not None
        names = [text.get_text().partition(":")[0] for text in figure.legends[0].get_texts()]
        assert ["real, validation", "BBDM", "CycleGAN", "painted"] == names

    @pytest.mark.parametrize("values", [[0.5], [0.5, 0.5], [0.4, float("nan")]])
    def test_sets_without_a_density_are_drawn(self, values: list[float]) -> None:
        """One value, equal values and gaps give a picture."""
        assert max_ssim(replace(pictures(), max_ssim={"bbdm": np.array(values)})) is not None

    @pytest.mark.parametrize("values", [[], [float("nan")]])
    def test_no_value_is_no_figure(self, values: list[float]) -> None:
        """Nothing was compared."""
        assert max_ssim(replace(pictures(), max_ssim={"bbdm": np.array(values)})) is None


class TestUmapMaps:
    def test_four_panels_with_painted_crops(self) -> None:
        """Each says how many are kept."""
        figure = umap_maps(pictures())

        assert figure is not None
        titles = [axes.get_title() for axes in figure.get_axes()]
        assert "aberrations alone (120)" == titles[1]
        assert ["BBDM", "painted"] == [title.partition(":")[0] for title in titles[2:]]

    def test_without_candidates_real_crops_remain(self) -> None:
        """Two panels, and no verdict in the legend."""
        known = pictures().map
        assert known is not None

        figure = umap_maps(replace(pictures(), map=replace(known, candidates={}, kept={})))

        assert figure is not None
        assert 2 == len(figure.get_axes())
        assert not any("synthetic" in text.get_text() for text in figure.legends[0].get_texts())

    def test_a_rule_without_ellipse_or_verdict_is_drawn(self) -> None:
        """Three panels side by side."""
        known = pictures().map
        assert known is not None
        plain = replace(known, candidates={"bbdm": known.candidates["bbdm"]}, kept={}, contour=None)

        figure = umap_maps(replace(pictures(), map=plain))

        assert figure is not None
        assert "BBDM (250)" == figure.get_axes()[2].get_title()

    def test_no_map_is_no_figure(self) -> None:
        """No UMAP filter was fitted."""
        assert umap_maps(replace(pictures(), map=None)) is None
