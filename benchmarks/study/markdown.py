"""Tables of a study's report as Markdown."""

from __future__ import annotations

from services.pipelines.study.report.blocks import Row, Table

_ALIGNED = {"text": "---", "number": "---:"}


def markdown_of(table: Table) -> str:
    """Write a table with its caption above and its note below."""
    head = [column.title for column in table.columns]
    lines = [
        f"**{table.caption}**",
        "",
        _line(head),
        _line([_ALIGNED[column.kind] for column in table.columns]),
        *(_line(_cells(row, len(head))) for row in table.rows),
    ]
    return "\n".join([*lines, "", table.note] if table.note else lines)


def rows_of(head: list[str], rows: list[list[str]]) -> str:
    """Write rows below their head, the first column as text and the others as numbers."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(map(_line, (head, rule, *rows)))


def _cells(row: Row, width: int) -> list[str]:
    if row.heading:
        return [f"**{row.cells[0]}**", *[""] * (width - 1)]
    return [f"**{cell}**" if place in row.best else cell for place, cell in enumerate(row.cells)]


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
