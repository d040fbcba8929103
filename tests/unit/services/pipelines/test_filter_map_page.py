from __future__ import annotations

import base64
import io
import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from services.pipelines.filter_map_data import Series
from services.pipelines.filter_map_page import drawn_rows, page
from tests.support.mapped import LEVEL, MIXTURE, map_data, scores_at, series_at


def data_of(html: bytes) -> dict[str, Any]:
    """Return what the page's scripts are given."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html.decode(), re.DOTALL)
    assert found is not None
    told: dict[str, Any] = json.loads(found[1])
    return told


def decoded(text: str, kind: str) -> NDArray[Any]:
    return np.frombuffer(base64.b64decode(text), kind)


class TestPage:
    def test_holds_the_numbers_of_every_crop(self) -> None:
        """Needed levels and percentiles are there bit by bit, so that counts are exact at any level."""
        data = map_data()

        told = data_of(page(data))

        assert [300, 80, 400] == [one["count"] for one in told["series"]]
        for one, drawn in zip(data.series, told["series"], strict=True):
            np.testing.assert_array_equal(decoded(drawn["needed"], "<f8"), one.scores.needed_level)
            np.testing.assert_array_equal(decoded(drawn["percentile"], "<f8"), one.scores.knn_percentile)
        assert (LEVEL, None) == (told["level"], told["max_percentile"])

    def test_places_are_right_to_a_sixty_thousandth_of_the_map(self) -> None:
        """What is rounded moves nothing that could be seen."""
        data = map_data()

        told = data_of(page(data))

        x0, y0, x1, y1 = told["view"]
        places = decoded(told["series"][2]["places"], "<u2").reshape(-1, 2) / 65535
        restored = places * [x1 - x0, y1 - y0] + [x0, y0]
        np.testing.assert_allclose(restored, data.series[2].scores.coordinates, atol=(x1 - x0) / 60_000)

    def test_ellipses_are_the_mixtures(self) -> None:
        """A circle of the level's radius, stretched as the page stretches it, is the outline."""
        told = data_of(page(map_data()))

        angles = np.linspace(0, 2 * np.pi, 181)
        radius = np.sqrt(-2 * np.log1p(-LEVEL))
        for component, given in enumerate(told["components"]):
            (a, b, c), (x, y) = given["factor"], given["mean"]
            outline = np.stack(
                [
                    x + radius * a * np.cos(angles),
                    y + radius * (b * np.cos(angles) + c * np.sin(angles)),
                ],
                axis=1,
            )
            np.testing.assert_allclose(outline, MIXTURE.outline(LEVEL, component), atol=1e-9)
        assert MIXTURE.dominant == told["dominant"]

    def test_a_rule_without_a_mixture_has_no_ellipse(self) -> None:
        """The other methods have verdicts alone."""
        told = data_of(page(map_data(mixture=None)))

        assert ([], None) == (told["components"], told["dominant"])

    def test_is_the_same_file_again(self) -> None:
        """The same map is the same bytes, so an artifact's hash means something."""
        assert page(map_data()) == page(map_data())

    def test_names_no_address(self) -> None:
        """The file asks no network for anything, and its policy forbids it, too."""
        html = page(map_data()).decode()

        assert set(re.findall(r"https?://[^\s\"')]+", html)) == {"http://www.w3.org/2000/svg"}
        assert [] == re.findall(r"<(?:link|script|img|iframe)[^>]*(?:src|href)=\"(?!data:)", html)
        assert "default-src 'none'" in html

    def test_names_cannot_become_markup(self) -> None:
        """A hostile name ends no element, and stands in no other's place."""
        hostile = "</script><script>alert(1)</script>@@DATA@@ \u2028"
        data = map_data()
        series = [replace(data.series[1], name=hostile)]

        html = page(replace(data, title=hostile, subtitle="@@SCRIPT@@", series=series))

        assert 2 == html.count(b"</script>")
        assert b"<script>alert" not in html
        told = data_of(html)
        assert (hostile, "@@SCRIPT@@", hostile) == (
            told["title"],
            told["subtitle"],
            told["series"][0]["name"],
        )

    def test_numbers_that_json_lacks_are_refused(self) -> None:
        """A level that is none is a mistake of whoever draws."""
        with pytest.raises(ValueError, match="JSON"):
            page(replace(map_data(), level=float("nan")))


class TestPictures:
    def test_each_lies_where_its_crop_says(self) -> None:
        """Tiles are numbered through all series, and the sheet holds them in this order."""
        data = map_data()

        told = data_of(page(data))

        sheet = np.asarray(Image.open(io.BytesIO(base64.b64decode(told["sprite"]["uri"].split(",")[1]))))
        assert (told["sprite"]["rows"] * 16, 20 * 16, 3) == sheet.shape
        for one, drawn in zip(data.series, told["series"], strict=True):
            rows = decoded(drawn["tile_rows"], "<u4")
            assert set(rows.tolist()) <= set(decoded(drawn["drawn"], "<u4").tolist())
            for place in range(len(rows)):
                assert one.thumbnails is not None
                down, across = divmod(drawn["first_tile"] + place, 20)
                assert (sheet[down * 16, across * 16] == one.thumbnails.pixels[place, 0, 0]).all()
        assert [0, 20, 60] == [len(decoded(one["tile_rows"], "<u4")) for one in told["series"]]

    def test_a_map_without_any_has_no_sheet(self) -> None:
        """Filters from elsewhere come without their crops."""
        series = [series_at("real normal", "normal", scores_at((0.0, 0.0), 30, 0))]

        told = data_of(page(replace(map_data(), series=series)))

        assert "" == told["sprite"]["uri"]
        assert [] == told["series"][0]["ids"]


def series_of(*counts: int, pictures: int = 0) -> list[Series]:
    return [
        series_at("s", "candidate", scores_at((0.0, 0.0), count, 0), pictures=pictures) for count in counts
    ]


class TestDrawnRows:
    def test_a_small_map_is_drawn_whole(self) -> None:
        """Nothing is left out without need."""
        assert [10, 20] == [len(rows) for rows in drawn_rows(series_of(10, 20), limit=30)]

    def test_large_series_share_what_small_ones_leave(self) -> None:
        """The few aberrations stay beside thousands of others."""
        chosen = drawn_rows(series_of(1000, 10, 800), limit=110)

        assert [50, 10, 50] == [len(rows) for rows in chosen]
        for rows in chosen:
            assert sorted(set(rows.tolist())) == rows.tolist()

    def test_what_has_a_picture_is_drawn(self) -> None:
        """A picture that is clicked has its place on the map."""
        (one,) = series_of(500, pictures=30)
        assert one.thumbnails is not None

        (rows,) = drawn_rows([one], limit=40)

        assert 40 == len(rows)
        assert set(one.thumbnails.rows.tolist()) <= set(rows.tolist())

    def test_counts_stay_whole(self) -> None:
        """Left-out points are drawn nowhere, and counted all the same."""
        series = series_of(21_000)

        told = data_of(page(replace(map_data(), series=series)))["series"][0]

        assert 21_000 == told["count"] == len(decoded(told["needed"], "<f8"))
        assert 20_000 == len(decoded(told["drawn"], "<u4"))
