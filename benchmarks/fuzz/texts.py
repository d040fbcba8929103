"""Changes of JSON, which keep it JSON or nearly so, and of CSV."""

from __future__ import annotations

import json
from random import Random
from typing import Any

_RAW = (
    *("null", "true", "-1", "0", "1e400", "-1e400", "NaN", "Infinity", "1" * 5000, "1" * 400, "0.1", "-0.0"),
    *('""', '"\\u0000"', '"\\ud800"', '"\\u202e"', '"*"', '"../x"', '"production"', "[]", "{}", "[[[[1]]]]"),
    *('"' + "a" * 3000 + '"', "[" * 200 + "]" * 200, '{"a":' * 40 + "1" + "}" * 40, "9223372036854775808"),
)
_KEYS = ("", "\u0000", "__class__", "kind", "dapi", "red", "name", "x" * 300)
_CELLS = (
    *(
        "",
        ",",
        ";",
        '"',
        '""',
        "normal",
        "aberration",
        "unlabelled",
        "train",
        "val",
        "nowhere",
        "\0",
        "\ufeff",
    ),
    *("=1+1", "x" * 300, "a.png", "../a.png", "./a.png", "\r", "\n", '"\n', "\u2028", "\ud7ff"),
)


def change_json(data: bytes, rng: Random) -> bytes:
    """Change, drop, repeat or rename one value at any depth; what is no JSON stays as it is."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return data
    marker = f"@{rng.getrandbits(64):x}@"
    changed = _marked(document, rng, marker)
    try:
        text = json.dumps(changed)
    except (ValueError, RecursionError):
        return data
    return text.replace(json.dumps(marker), rng.choice(_RAW)).encode("utf-8", "surrogatepass")


def _marked(value: Any, rng: Random, marker: str) -> Any:
    """A copy in which one place is marked, gone, doubled or named otherwise."""
    if isinstance(value, dict) and value and rng.random() < 0.8:
        key = rng.choice(sorted(value))
        what = rng.randrange(8)
        if what == 0:
            return {name: one for name, one in value.items() if name != key}
        if what == 1:
            return {**value, rng.choice(_KEYS): value[key]}
        return {**value, key: _marked(value[key], rng, marker)}
    if isinstance(value, list) and value and rng.random() < 0.8:
        index = rng.randrange(len(value))
        if rng.randrange(8) == 0:
            return value * rng.choice((0, 2, 50))
        return [*value[:index], _marked(value[index], rng, marker), *value[index + 1 :]]
    return _near(value, rng) if rng.random() < 1 / 2 else marker


def _near(value: Any, rng: Random) -> Any:
    """Another value of the same type: what gets past the first check."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return rng.choice((0, 1, 2, -value, value + 1, value * 1000, value // 7))
    if isinstance(value, str):
        return rng.choice(
            (value[:1], value + "x", value.upper(), value[::-1], "translocation/1", "a\u00e4\u4e2d")
        )
    return None


def change_csv(data: bytes, rng: Random) -> bytes:
    """Change a cell, drop or repeat a line, or use another separator."""
    lines = data.decode("utf-8", "replace").split("\n")
    index = rng.randrange(len(lines))
    what = rng.randrange(5)
    if what == 0:
        lines.pop(index)
    elif what == 1:
        lines[index : index + 1] = [lines[index]] * rng.choice((2, 200))
    elif what == 2:
        lines = [line.replace(",", rng.choice((";", "\t", ",,"))) for line in lines]
    else:
        cells = lines[index].split(",")
        cells[rng.randrange(len(cells))] = rng.choice(_CELLS)
        lines[index] = ",".join(cells)
    return "\n".join(lines).encode("utf-8", "surrogatepass")
