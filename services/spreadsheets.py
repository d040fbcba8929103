"""Tables for spreadsheets: CSV in pieces, with nothing in it that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

# Spreadsheets run a cell that starts with one of these as a formula.
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")


def csv_pieces(columns: Sequence[str], pages: Iterable[Iterable[Mapping[str, Any]]]) -> Iterator[bytes]:
    """Write a head and rows as UTF-8 CSV, one piece for each page of rows.

    Parameters
    ----------
    columns
        Names, in the order in which every row tells its cells.
    pages
        Rows as cells by column. Text that a spreadsheet would run gets an apostrophe before it.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    for rows in pages:
        writer.writerows([_cell(value) for value in cells.values()] for cells in rows)
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()
    yield text.getvalue().encode()


def _cell(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA_STARTS) else value
    return value.isoformat() if hasattr(value, "isoformat") else value
