"""What the demonstration says while it works: a spinner with the time on a terminal, lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from client.cli.output import plain
from client.demo.results import DemoResult, ImageResult, share_beyond

TOO_FAR = "lie farther from the filter's training data than 99 % of that itself; about 1 % is usual."


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
    columns = ("chromosomes", "reference", "touching", "flagged", "highest p", "seconds")
    for column in columns:
        table.add_column(column, justify="right")
    for image in result.images:
        table.add_row(plain(image.image.filename), *_cells(result, (image,)))
    for item in result.failed:
        reason = (item.error or {}).get("detail", "no reason was given")
        table.add_row(plain(f"{item.input_id}: {reason}"), "failed", *[""] * (len(columns) - 1), style="red")
    table.add_section()
    table.add_row("all", *_cells(result, result.images), style="bold")
    console.print(table)


def print_filtered(console: Console, result: DemoResult) -> None:
    """Print synthetic crops before and after filtering, and how many crops are unlike the training data."""
    filtered = result.filtered
    if filtered is None:
        return
    if not filtered.counts:
        reason = (filtered.job.error or {}).get("detail", "no reason was given")
        console.print(plain(f"Nothing was filtered: {filtered.job.status}, {reason}"), soft_wrap=True)
        return
    table = Table(
        title="Synthetic crops before and after the filter", title_justify="left", title_style="bold"
    )
    table.add_column("generator", overflow="fold")
    for column in ("before", "after", "kept"):
        table.add_column(column, justify="right")
    counts = filtered.counts
    for name, one in counts.items():
        table.add_row(plain(name), *_kept(one.before, one.after))
    table.add_section()
    before, after = (sum(getattr(one, name) for one in counts.values()) for name in ("before", "after"))
    table.add_row("all", *_kept(before, after), style="bold")
    console.print(table)
    shares = [("chromosomes", share_beyond(result.job)), ("synthetic crops", share_beyond(filtered.job))]
    told = " and ".join(f"{share:.1%} of the {name}" for name, share in shares if share is not None)
    if told:
        console.print(f"Drift: {told} {TOO_FAR}", soft_wrap=True)


def _kept(before: int, after: int) -> list[str]:
    return [str(before), str(after), f"{after / before:.0%}" if before else "-"]


def _cells(result: DemoResult, images: Sequence[ImageResult]) -> list[str]:
    """Counts of some metaphases; a dash is what nobody can tell."""
    expected = sum(image.expected or 0 for image in images)
    highest = [image.highest for image in images if image.highest is not None]
    seconds = [image.seconds for image in images if image.seconds is not None]
    return [
        str(sum(len(image.crops) for image in images)),
        str(expected or "-"),
        str(sum(image.touching for image in images)),
        "-" if result.classifier is None else str(sum(len(image.flagged) for image in images)),
        f"{max(highest):.2f}" if highest else "-",
        f"{sum(seconds):.1f}" if seconds else "-",
    ]
