"""What a study's report is made of: a list of blocks that is written twice, as HTML and as PDF."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import ClassVar, Literal

Tone = Literal["better", "worse", "open"]
ColumnKind = Literal["text", "number"]


@dataclass(frozen=True)
class Column:
    """A table's column; numbers are set to the right and do not break."""

    title: str
    kind: ColumnKind = "number"


@dataclass(frozen=True)
class Row:
    """A table's row.

    Attributes
    ----------
    cells
        One text per column; a heading has one alone, for the whole width.
    best
        Columns whose value is printed bold, since its interval says that it is the best.
    heading
        Whether it is a title above the rows that follow.
    """

    cells: tuple[str, ...]
    best: frozenset[int] = frozenset()
    heading: bool = False


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes
    ----------
    number
        "1" to "6" for those that the paper has too; the others get "A1" and so on from `with_numbers`.
    note
        What one has to know to read it; printed small below.
    """

    kind: ClassVar[str] = "table"
    number: str | None
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    note: str = ""

    @property
    def title(self) -> str:
        """Its caption with its number."""
        return f"Table {self.number}. {self.caption}" if self.number else self.caption


@dataclass(frozen=True)
class Figure:
    """A picture with its caption.

    Attributes
    ----------
    number
        "3" to "8" for those that the paper has too; the others get "A1" and so on from `with_numbers`.
    png
        PNG.
    """

    kind: ClassVar[str] = "figure"
    number: str | None
    caption: str
    png: bytes

    @property
    def title(self) -> str:
        """Its caption with its number."""
        return f"Figure {self.number}. {self.caption}" if self.number else self.caption


@dataclass(frozen=True)
class Text:
    """A paragraph; `small` for what is said beside the matter."""

    kind: ClassVar[str] = "text"
    text: str
    small: bool = False


@dataclass(frozen=True)
class Callout:
    """The answer, in a frame."""

    kind: ClassVar[str] = "callout"
    title: str
    text: str
    tone: Tone = "open"


@dataclass(frozen=True)
class Point:
    """A line of a list, with the words that it begins with printed bold."""

    lead: str
    text: str


@dataclass(frozen=True)
class Points:
    """A list."""

    kind: ClassVar[str] = "points"
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Facts:
    """Some numbers at a glance: what each counts, and the number."""

    kind: ClassVar[str] = "facts"
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Heading:
    """A heading within a section."""

    kind: ClassVar[str] = "heading"
    text: str


Block = Table | Figure | Text | Callout | Points | Facts | Heading


@dataclass(frozen=True)
class Section:
    """A part of the report that the contents list names; `anchor` is where links to it lead."""

    title: str
    anchor: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Report:
    """A whole report.

    Attributes
    ----------
    title
        The study's name.
    subtitle
        On what data.
    banner
        What has to stand on every page, or nothing.
    facts
        Lines below the title: when, how, by what.
    sections
        In reading order.
    """

    title: str
    subtitle: str
    banner: str
    facts: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]

    def tables(self) -> Iterator[Table]:
        """Every table, in reading order."""
        for section in self.sections:
            yield from (block for block in section.blocks if isinstance(block, Table))


def numbers(*titles: str) -> tuple[Column, ...]:
    """Columns of numbers with these titles."""
    return tuple(Column(title) for title in titles)


def texts(*titles: str) -> tuple[Column, ...]:
    """Columns of text with these titles."""
    return tuple(Column(title, "text") for title in titles)


def with_numbers(sections: Sequence[Section]) -> tuple[Section, ...]:
    """Number the tables and figures that the paper does not have: A1, A2 and so on, in reading order."""
    counters = {Table: count(1), Figure: count(1)}
    numbered = []
    for section in sections:
        blocks: list[Block] = []
        for block in section.blocks:
            if isinstance(block, Table | Figure) and block.number is None:
                blocks.append(replace(block, number=f"A{next(counters[type(block)])}"))
            else:
                blocks.append(block)
        numbered.append(replace(section, blocks=tuple(blocks)))
    return tuple(numbered)
