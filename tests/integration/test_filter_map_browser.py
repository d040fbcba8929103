"""The map of a filter in a real browser: what its sliders do, against what numpy counts."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from selenium import webdriver
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from services.pipelines.filter_map_data import MapData
from services.pipelines.filter_map_page import page
from tests.support.mapped import LEVEL, MIXTURE, map_data

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
CHROMEDRIVER = shutil.which("chromedriver")

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        CHROMIUM is None or CHROMEDRIVER is None,
        reason="no chromium with its chromedriver; on Debian: apt-get install chromium chromium-driver",
    ),
]

_FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
_WAIT_S = 10


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """A browser without a network of its own, in a profile that goes away."""
    options = webdriver.ChromeOptions()
    assert CHROMIUM is not None
    assert CHROMEDRIVER is not None
    options.binary_location = CHROMIUM
    for flag in (*_FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}", "--window-size=1280,900"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(CHROMEDRIVER))
    yield driver
    driver.quit()


class OpenMap:
    """A page that is open, and what a person reads on it and does to it."""

    def __init__(self, driver: webdriver.Chrome, data: MapData) -> None:
        self.driver = driver
        self.data = data

    def element(self, name: str) -> WebElement:
        """Return the element of an id."""
        return self.driver.find_element(By.ID, name)

    def cell(self, series: int, what: str) -> str:
        """Return what the table says of a series."""
        where = f'td[data-series="{series}"][data-what="{what}"]'
        return self.driver.find_element(By.CSS_SELECTOR, where).text.replace(",", "")

    def expect(self, level: float, max_percentile: float | None = None) -> None:
        """Wait until the table shows what numpy counts at this level and gate."""
        kept = [int(np.count_nonzero(one.scores.kept(level, max_percentile))) for one in self.data.series]
        wanted = [
            (str(count), str(len(one) - count)) for count, one in zip(kept, self.data.series, strict=True)
        ]

        def shown() -> list[tuple[str, str]]:
            return [(self.cell(one, "kept"), self.cell(one, "rejected")) for one in range(len(wanted))]

        WebDriverWait(self.driver, _WAIT_S).until(lambda _: shown() == wanted, f"not {wanted} at {level}")

    def write(self, field: str, text: str) -> None:
        """Replace what stands in a number field."""
        box = self.element(field)
        box.send_keys(Keys.CONTROL, "a")
        box.send_keys(text)

    def slide(self, slider: str, value: float) -> None:
        """Move a slider as a hand does: its value, then its event."""
        script = "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input'))"
        self.driver.execute_script(script, self.element(slider), value)

    def tiles(self, verdict: str) -> list[str]:
        """Return the pictures that are shown as kept or as rejected, in their order."""
        found = self.driver.find_elements(By.CSS_SELECTOR, f"#tiles-{verdict} .tile")
        return [str(tile.get_attribute("id")) for tile in found]

    def map(self) -> NDArray[np.uint8]:
        """Return the map as it is painted, (H, W, 3)."""
        shot = Image.open(io.BytesIO(self.element("stage").screenshot_as_png))
        return np.asarray(shot.convert("RGB"))

    def scheme(self, name: str) -> None:
        """Let the page be looked at by somebody who prefers light or dark."""
        feature = {"name": "prefers-color-scheme", "value": name}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})


@pytest.fixture
def open_map(browser: webdriver.Chrome, tmp_path: Path) -> Iterator[Callable[..., OpenMap]]:
    """Open a map from a file; whatever the test did, the console must have stayed silent."""

    def opened(data: MapData | None = None, address: str = "") -> OpenMap:
        shown = map_data() if data is None else data
        file = tmp_path / "map.html"
        file.write_bytes(page(shown))
        browser.get("about:blank")
        browser.get(f"{file.as_uri()}{address}")
        return OpenMap(browser, shown)

    yield opened
    assert [] == browser.get_log("browser")  # type: ignore[no-untyped-call]


class TestLevel:
    def test_counts_at_the_filters_own_level(self, open_map: Callable[..., OpenMap]) -> None:
        """A page that is just open says what the filter decided, and of how many."""
        shown = open_map()

        shown.expect(LEVEL)
        assert ["300", "80", "400"] == [shown.cell(one, "before") for one in range(3)]
        assert "Filter t/1" == shown.driver.title

    def test_moving_the_slider_moves_everything(self, open_map: Callable[..., OpenMap]) -> None:
        """Counts follow numpy at every level; pictures change sides, and the ellipse its size."""
        shown = open_map()
        shown.expect(LEVEL)
        kept, before = len(shown.tiles("kept")), shown.map()

        for level in (0.0, 0.137, 0.5, 0.999, 1.0):
            shown.slide("level-slider", level)
            shown.expect(level)
        shown.slide("level-slider", 0.9)
        shown.expect(0.9)

        assert len(shown.tiles("kept")) > kept
        assert 80 == len(shown.tiles("kept")) + len(shown.tiles("rejected"))
        assert (shown.map() != before).any()

    def test_a_crop_exactly_at_the_level_is_kept(self, open_map: Callable[..., OpenMap]) -> None:
        """The page compares the doubles of the service, to their last bit."""
        shown = open_map()

        for needed in np.sort(shown.data.series[2].scores.needed_level)[[3, 100, 250]].tolist():
            for level in (needed, float(np.nextafter(needed, 0.0))):
                shown.write("level", repr(level))
                shown.expect(level)

    def test_what_is_no_level_changes_nothing(self, open_map: Callable[..., OpenMap]) -> None:
        """A number beyond the scale, or none, leaves the verdicts as they are."""
        shown = open_map()
        shown.slide("level-slider", 0.3)
        shown.expect(0.3)

        shown.write("level", "7")

        assert "true" == shown.element("level").get_attribute("aria-invalid")
        shown.expect(0.3)

    def test_the_address_sets_the_level_and_follows_it(self, open_map: Callable[..., OpenMap]) -> None:
        """A link shows what its sender saw; reset gives the filter's own level back."""
        shown = open_map(address="#level=0.5&max_percentile=80")
        shown.expect(0.5, 80.0)

        shown.slide("level-slider", 0.25)
        shown.expect(0.25, 80.0)
        assert shown.driver.current_url.endswith("#level=0.25&max_percentile=80")

        shown.element("level-reset").click()
        shown.expect(LEVEL)

    def test_an_address_out_of_range_is_ignored(self, open_map: Callable[..., OpenMap]) -> None:
        """A broken link opens the page at the filter's own level."""
        open_map(address="#level=2&max_percentile=x").expect(LEVEL)

    def test_keys_move_the_level(self, open_map: Callable[..., OpenMap]) -> None:
        """Nobody needs a mouse for it."""
        shown = open_map(address="#level=0.5")

        shown.element("level-slider").send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)

        shown.expect(0.502)


class TestGate:
    def test_is_off_until_it_is_asked_for(self, open_map: Callable[..., OpenMap]) -> None:
        """The paper's filter has no second gate; one that is switched on rejects more."""
        shown = open_map()
        assert not shown.element("gate").is_displayed()

        shown.element("gate-on").click()
        shown.slide("gate-slider", 60.0)
        shown.expect(LEVEL, 60.0)

        shown.element("gate-on").click()
        shown.expect(LEVEL)

    def test_of_the_filter_is_where_the_page_begins(self, open_map: Callable[..., OpenMap]) -> None:
        """A filter with a gate of its own has it on the page, and the address can switch it off."""
        data = map_data(max_percentile=70.0)

        open_map(data).expect(LEVEL, 70.0)
        open_map(data, "#max_percentile=off").expect(LEVEL)


class TestMap:
    def test_is_painted_and_series_can_be_switched_off(self, open_map: Callable[..., OpenMap]) -> None:
        """The map is not blank, and loses the points and pictures of a class, but not its counts."""
        shown = open_map()
        shown.expect(LEVEL)
        before = shown.map()
        assert len(np.unique(before.reshape(-1, 3), axis=0)) > 50

        shown.element("series-2").click()
        WebDriverWait(shown.driver, _WAIT_S).until(lambda _: (shown.map() != before).any())

        assert 20 == len(shown.tiles("kept")) + len(shown.tiles("rejected"))
        shown.expect(LEVEL)

    def test_a_picture_tells_of_its_crop(self, open_map: Callable[..., OpenMap]) -> None:
        """A click shows which crop it is, what it needs, and why it was rejected."""
        shown = open_map()
        shown.expect(LEVEL)

        shown.driver.find_element(By.CSS_SELECTOR, "#tiles-rejected .tile").click()

        told = shown.element("detail").text
        series, row = next(
            (one, one.ids.index(name))
            for one in shown.data.series
            for name in told.split()
            if name in one.ids
        )
        assert f"{series.scores.needed_level[row]:.6f}" in told
        assert "rejected: beyond the level" in told

    def test_arrow_keys_walk_along_the_level(self, open_map: Callable[..., OpenMap]) -> None:
        """The first crop is the next one that a higher level would keep; one back is the last kept."""
        shown = open_map()
        shown.expect(LEVEL)
        needed = np.sort(np.concatenate([one.scores.needed_level for one in shown.data.series]))
        border = int(np.searchsorted(needed, LEVEL, side="right"))

        shown.element("overlay").send_keys(Keys.ARROW_RIGHT)
        assert f"{needed[border]:.6f}" in shown.element("detail").text
        shown.element("overlay").send_keys(Keys.ARROW_LEFT)
        assert f"{needed[border - 1]:.6f}" in shown.element("detail").text

    def test_a_point_is_found_under_the_pointer(self, open_map: Callable[..., OpenMap]) -> None:
        """A click on the map chooses a crop near it; zooming in and out paints it again."""
        shown = open_map()
        shown.expect(LEVEL)

        ActionChains(shown.driver).move_to_element(shown.element("overlay")).click().perform()
        shown.element("zoom-in").click()
        near = shown.map()
        shown.element("zoom-reset").click()

        assert "level needed" in shown.element("detail").text
        assert (shown.map() != near).any()

    @pytest.mark.parametrize("method", ["umap", "knn"])
    def test_light_and_dark_are_painted(self, open_map: Callable[..., OpenMap], method: str) -> None:
        """Both can be read: the ground follows the preference, with an ellipse and without."""
        shown = open_map(map_data(mixture=MIXTURE if method == "umap" else None))
        shown.scheme("light")
        shown.expect(LEVEL)
        light = shown.map()
        shown.scheme("dark")
        WebDriverWait(shown.driver, _WAIT_S).until(lambda _: shown.map().mean() < light.mean() / 2)
        shown.scheme("light")

        assert light.mean() > 200

    def test_a_narrow_screen_needs_no_sideways_scrolling(self, open_map: Callable[..., OpenMap]) -> None:
        """A telephone shows all of it in one column."""
        shown = open_map()
        metrics = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
        shown.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        try:
            script = "return document.documentElement.scrollWidth"
            width = shown.driver.execute_script(script)
        finally:
            shown.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

        assert 390 == width


class TestHostileNames:
    def test_stay_text(self, open_map: Callable[..., OpenMap]) -> None:
        """What a client called its things is shown, and neither run nor drawn."""
        hostile = '<img src=x onerror="document.title=1">'
        data = map_data()
        series = [replace(one, name=hostile) for one in data.series]

        shown = open_map(replace(data, title=hostile, subtitle=hostile, series=series))
        shown.expect(LEVEL)
        shown.driver.find_element(By.CSS_SELECTOR, "#tiles-kept .tile").click()

        assert hostile == shown.element("title").text == shown.driver.title
        assert [] == shown.driver.find_elements(By.TAG_NAME, "img")

    def test_a_map_without_pictures_or_candidates_opens(self, open_map: Callable[..., OpenMap]) -> None:
        """A filter from elsewhere has its counts, and no empty frame for pictures."""
        data = map_data(candidates=0)
        bare = [replace(one, thumbnails=None, ids=()) for one in data.series]

        shown = open_map(replace(data, series=bare))
        shown.expect(LEVEL)

        assert not shown.element("pictures").is_displayed()
