"""Which part of a file's name is its group, said with stars: nothing that can run away like an expression."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from services.errors import InvalidInputError

MAX_PATTERN_CHARACTERS = 100
_GROUP, _ANY = "{group}", "*"
_TOKENS = re.compile(r"(\{group\}|\*)")


@dataclass(frozen=True)
class GroupPattern:
    """A pattern such as ``{group}_*``; `parse_group_pattern` makes it.

    Attributes
    ----------
    text
        As the client wrote it.
    tokens
        Wildcards and the text between them, in turn.
    """

    text: str
    tokens: tuple[str, ...]

    def find(self, stem: str) -> str:
        """The group in a file's name without its extension; empty if the name does not match.

        ``{group}`` and ``*`` each stand for as little text as the rest allows, so that time is
        proportional to the name's length.
        """
        at, start, group = 0, 0, ""
        open_wildcard = ""
        for index, token in enumerate(self.tokens):
            if token in (_GROUP, _ANY):
                open_wildcard, start = token, at
                continue
            last = index == len(self.tokens) - 1
            found = len(stem) - len(token) if last and stem.endswith(token) else stem.find(token, at)
            if found < at or (not open_wildcard and found != at) or (last and found + len(token) < len(stem)):
                return ""
            if open_wildcard == _GROUP:
                group = stem[start:found]
            at, open_wildcard = found + len(token), ""
        if open_wildcard == _GROUP:
            group = stem[start:]
        return group if open_wildcard or at == len(stem) else ""


def parse_group_pattern(text: str) -> GroupPattern:
    """Read a pattern.

    Raises
    ------
    InvalidInputError
        It is too long, has not exactly one ``{group}``, or two wildcards touch.
    """
    tokens = tuple(token for token in _TOKENS.split(text) if token)
    wild = [token in (_GROUP, _ANY) for token in tokens]
    touching = any(a and b for a, b in pairwise(wild))
    if len(text) > MAX_PATTERN_CHARACTERS or tokens.count(_GROUP) != 1 or touching:
        raise InvalidInputError(
            f"group_pattern needs exactly one {_GROUP}, stars that do not touch, and at most "
            f"{MAX_PATTERN_CHARACTERS} characters: for example {{group}}_* takes A02 from A02_0153.png.",
            "group_pattern",
        )
    return GroupPattern(text, tokens)
