"""Just enough of PromQL to see that an expression is well formed, and which metrics and labels it names.

It is no parser: types of arguments are not checked. There is no promtool among the packages.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

WORDS = frozenset(
    {"sum", "min", "max", "avg", "count", "topk", "bottomk", "histogram_quantile", "absent", "time"}
    | {"rate", "irate", "increase", "delta", "and", "or", "unless", "offset", "bool"}
    | {"by", "without", "on", "ignoring", "group_left", "group_right"}
)
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_SELECTOR = re.compile(r"\{([^{}]*)\}")
_MATCHER = re.compile(r'\s*([a-z_]\w*)\s*(=~|!~|!=|=)\s*""\s*')
_LABELS = re.compile(r"\b(by|without|on|ignoring|group_left|group_right)\s*\(([^()]*)\)")
_RANGE = re.compile(r"\[(\d+[smhdw]|\$__rate_interval)\]")
_NAME = re.compile(r"[a-zA-Z_:][\w:]*")
_CLOSING = {")": "(", "}": "{", "]": "["}


@dataclass(frozen=True)
class Named:
    """What an expression names."""

    metrics: frozenset[str]
    labels: frozenset[str]


def read(expression: str) -> Named:
    """Find the metrics and labels of an expression; `ValueError` if it is not well formed."""
    text = _STRING.sub('""', expression)
    _check_brackets(text, expression)
    labels: set[str] = set()
    for selector in _SELECTOR.findall(text):
        for matcher in filter(None, selector.split(",")):
            found = _MATCHER.fullmatch(matcher)
            if found is None:
                raise ValueError(f"{matcher!r} is no matcher, in {expression!r}")
            labels.add(found[1])
    text = _RANGE.sub("", _SELECTOR.sub("", text))
    for _, names in _LABELS.findall(text):
        labels |= {name.strip() for name in names.split(",") if name.strip()}
    text = _LABELS.sub(r"\1", text)
    if "[" in text or '""' in text:
        raise ValueError(f"a range or a string where none can be, in {expression!r}")
    return Named(frozenset(set(_NAME.findall(text)) - WORDS), frozenset(labels))


def _check_brackets(text: str, expression: str) -> None:
    opened: list[str] = []
    for character in text:
        if character in _CLOSING.values():
            opened.append(character)
        elif character in _CLOSING and (not opened or opened.pop() != _CLOSING[character]):
            raise ValueError(f"{character!r} closes nothing, in {expression!r}")
    if opened or text.count('"') % 2:
        raise ValueError(f"something is not closed, in {expression!r}")
