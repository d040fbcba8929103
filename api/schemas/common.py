"""What several bodies share: text that can be stored, and pages."""

from __future__ import annotations

import re
from typing import Annotated, Generic, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

Item = TypeVar("Item")

_DATE_FIRST = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:")


def printable(text: str) -> str:
    """Refuse control characters: Postgres cannot store NUL, and nobody can see the others."""
    if not text.isprintable():
        raise ValueError("Holds characters that cannot be printed.")
    return text


Line = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200, strip_whitespace=True),
    AfterValidator(printable),
]
"""One line of printable text, such as an accession or a person's name."""


def written_out(value: object) -> object:
    """Refuse numbers, which could be seconds or milliseconds since anything."""
    if isinstance(value, str) and not _DATE_FIRST.match(value):
        raise ValueError("Write the time as in 2026-11-28T09:30:00Z.")
    if isinstance(value, (int, float)):
        raise ValueError("Write the time as in 2026-11-28T09:30:00Z.")  # noqa: TRY004 - pydantic wants it
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(written_out)]
"""A point in time with its offset, as RFC 3339 writes it."""


class Body(BaseModel):
    """Base of request bodies: unknown names are refused, so that a typing error is noticed."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class View(BaseModel):
    """Base of answers, read from the attributes of the services' values."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


class PageView(View, Generic[Item]):
    """A page of a list."""

    items: list[Item] = Field(description="In the order in which they were made.")
    next_cursor: str | None = Field(description="Pass it as `cursor` to get the next page; null on the last.")
