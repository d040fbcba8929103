"""What the demonstration says while it works: a spinner with the time on a terminal, lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from client.cli.output import plain
from client.demo.session import DemoResult


@contextmanager
def step(console: Console, text: str) -> Iterator[Callable[[str], None]]:
    """Show that something is going on, and in the end how long it took.

    Yields a function that changes the remark beside the spinner.
    """
    started = time.monotonic()
    columns = (
        SpinnerColumn("line"),
        TextColumn("{task.description}", markup=False),
        TimeElapsedColumn(),
        TextColumn("{task.fields[remark]}", markup=False, style="dim"),
    )
    if not console.is_terminal:
        console.print(f"{text} ...")
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(text, total=None, remark="")
        yield lambda remark: progress.update(task, remark=plain(remark))
    console.print(f"{text}: {time.monotonic() - started:.1f} s")


def print_results(console: Console, result: DemoResult) -> None:
    """Print the table: a row per metaphase, and the sum."""
    table = Table(title="What was found", title_justify="left", title_style="bold")
    table.add_column("image", overflow="fold")
    for column in ("chromosomes found", "reference", "touching", "flagged", "seconds"):
        table.add_column(column, justify="right")
    for image in result.images:
        seconds = "-" if image.seconds is None else f"{image.seconds:.1f}"
        expected = "-" if image.expected is None else image.expected
        counts = (len(image.crops), expected, image.touching, image.flagged)
        table.add_row(plain(image.image.filename), *map(str, counts), seconds)
    for item in result.failed:
        reason = (item.error or {}).get("detail", "no reason was given")
        table.add_row(plain(f"{item.input_id}: {reason}"), "failed", "", "", "", "", style="red")
    table.add_section()
    totals = (
        sum(len(image.crops) for image in result.images),
        sum(image.expected or 0 for image in result.images) or "-",
        sum(image.touching for image in result.images),
        sum(image.flagged for image in result.images),
    )
    seconds_sum = sum(image.seconds or 0.0 for image in result.images)
    table.add_row("all", *map(str, totals), f"{seconds_sum:.1f}", style="bold")
    console.print(table)
