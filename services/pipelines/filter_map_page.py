"""The interactive map of a filter: one HTML file that holds its own data and asks no network for anything."""

from __future__ import annotations

import base64
import html
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.filtering.mixture import Mixture
from services.pipelines.filter_map_data import MapData, Series, View, contours_of, view_of

MAX_DRAWN: Final = 20_000

_TEMPLATE = Path(__file__).parent / "filter_map_template"
_QUANTA = 65_535  # places are told in 16 bits: a fifth of a pixel on the widest screen
_SPRITE_COLUMNS = 20


def page(data: MapData) -> bytes:
    """Write the map as HTML.

    Every crop's needed level and percentile is in the file, in double precision, so the counts on the
    page are those of `FilterScores.kept` at any level. Only points are left out if there are too many.
    """
    scripts = [path.read_text(encoding="utf-8") for path in sorted(_TEMPLATE.glob("*.js"))]
    parts = {
        "@@TITLE@@": html.escape(data.title),
        "@@STYLE@@": (_TEMPLATE / "page.css").read_text(encoding="utf-8"),
        "@@SCRIPT@@": "\n".join(scripts),
        "@@DATA@@": _harmless(json.dumps(_payload(data), allow_nan=False, separators=(",", ":"))),
    }
    written = (_TEMPLATE / "page.html").read_text(encoding="utf-8")
    # From the last place to the first, so that nothing that was put in is searched for places.
    for place, part in sorted(parts.items(), key=lambda one: -written.index(one[0])):
        before, _, after = written.partition(place)
        written = before + part + after
    return written.encode()


def drawn_rows(series: Sequence[Series], limit: int = MAX_DRAWN) -> list[NDArray[np.int64]]:
    """Choose which crops have a place on the map.

    Small series are drawn whole and large ones share what is left; crops with a picture come first.

    Returns
    -------
    list of (n,) int64
        Rows of each series, ascending; the same for the same series.
    """
    left, chosen = limit, {}
    by_size = sorted(range(len(series)), key=lambda index: len(series[index]))
    for turn, index in enumerate(by_size):
        one = series[index]
        count = min(len(one), left // (len(series) - turn))
        pictured = np.empty(0, np.int64) if one.thumbnails is None else one.thumbnails.rows
        others = np.setdiff1d(np.arange(len(one)), pictured)
        drawn = np.random.default_rng(0).permutation(others)[: max(count - len(pictured), 0)]
        chosen[index] = np.sort(np.concatenate([pictured, drawn])).astype(np.int64)
        left -= count
    return [chosen[index] for index in range(len(series))]


def _payload(data: MapData) -> dict[str, Any]:
    view = view_of(data)
    rows = drawn_rows(data.series)
    series, tile = [], 0
    for one, drawn in zip(data.series, rows, strict=True):
        series.append(_told(one, drawn, view) | {"first_tile": tile})
        tile += 0 if one.thumbnails is None else len(one.thumbnails.rows)
    return {
        "title": data.title,
        "subtitle": data.subtitle,
        "level": float(data.level),
        "max_percentile": None if data.max_percentile is None else float(data.max_percentile),
        "view": [view.x0, view.y0, view.x1, view.y1],
        "components": [] if data.mixture is None else _components(data.mixture),
        "dominant": None if data.mixture is None else int(data.mixture.dominant),
        "series": series,
        "sprite": _sprite(data.series),
    }


def _told(one: Series, drawn: NDArray[np.int64], view: View) -> dict[str, Any]:
    scores = one.scores
    pictured = np.empty(0) if one.thumbnails is None else one.thumbnails.rows
    return {
        "name": one.name,
        "kind": one.kind,
        "count": len(one),
        "needed": _base64(scores.needed_level, "<f8"),
        "percentile": _base64(scores.knn_percentile, "<f8"),
        "drawn": _base64(drawn, "<u4"),
        "places": _places(scores.coordinates[drawn].astype(np.float64), view),
        "ids": [one.ids[row] for row in drawn.tolist()] if one.ids else [],
        "contours": [
            [found.share, _places(found.points, view)] for found in contours_of(scores.coordinates, view)
        ],
        "tile_rows": _base64(pictured, "<u4"),
    }


def _components(mixture: Mixture) -> list[dict[str, Any]]:
    """Means and lower triangles: a circle stretched by the triangle is the component's ellipse."""
    factors = np.linalg.cholesky(mixture.covariances)
    return [
        {"mean": mean.tolist(), "factor": [factor[0, 0].item(), factor[1, 0].item(), factor[1, 1].item()]}
        for mean, factor in zip(mixture.means, factors, strict=True)
    ]


def _sprite(series: Sequence[Series]) -> dict[str, Any]:
    """All pictures on one sheet, in the order of the series."""
    sheets = [one.thumbnails.pixels for one in series if one.thumbnails is not None]
    tiles = [tile for sheet in sheets for tile in sheet]
    if not tiles:
        return {"uri": "", "columns": 1, "rows": 1}
    side = max(len(tile) for tile in tiles)
    rows = -(-len(tiles) // _SPRITE_COLUMNS)
    sheet = np.zeros((rows * side, _SPRITE_COLUMNS * side, 3), np.uint8)
    for index, tile in enumerate(tiles):
        top, left = (index // _SPRITE_COLUMNS) * side, (index % _SPRITE_COLUMNS) * side
        sheet[top : top + len(tile), left : left + len(tile)] = tile
    stream = io.BytesIO()
    Image.fromarray(sheet).save(stream, "PNG", optimize=True)
    uri = "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()
    return {"uri": uri, "columns": _SPRITE_COLUMNS, "rows": rows}


def _places(points: NDArray[np.float64], view: View) -> str:
    """Where points lie in the view, in 16 bits each way."""
    low, high = np.array([view.x0, view.y0]), np.array([view.x1, view.y1])
    return _base64(np.clip(np.rint((points - low) / (high - low) * _QUANTA), 0, _QUANTA), "<u2")


def _base64(values: NDArray[Any], kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values).astype(kind).tobytes()).decode()


def _harmless(text: str) -> str:
    """JSON that cannot end the element it stands in, whatever a name holds."""
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
