"""``python -m client.demo``: what ``make demo`` runs."""

from __future__ import annotations

import signal
import sys
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console

from client.cli.exits import ExitCode, exit_code_of_error
from client.demo.filtering import filter_synthetic, find_filter
from client.demo.report import write_report
from client.demo.results import DemoResult, FilteredResult, SyntheticResult
from client.demo.service import DemoService
from client.demo.session import MAP, collect, find_classifier, ref_of, run_job, upload_samples
from client.demo.steps import print_filtered, print_results, step
from client.demo.synthetic import MAX_SOURCES, choose_sources, find_generators, make_synthetic
from client.demo.trust import trust_of
from client.errors import ClientError
from client.http import Client
from client.records import ArtifactVersion, Job

ROOT = Path(__file__).resolve().parents[2]
NOTICE = "NOTICE"
NO_CLASSIFIER = (
    "There is no trained classifier 'translocation' in production, so chromosomes are found but not "
    "classified. It comes with the checkout as models/weights/classifier_translocation.*; check it out again."
)


def demo(
    *,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the service running afterwards.")] = False,
    samples: Annotated[Path, typer.Option(help="Folder of the metaphases.")] = ROOT / "samples",
    data_dir: Annotated[Path, typer.Option(help="Where the service and the report live.")] = ROOT
    / "var"
    / "demo",
) -> None:
    """Start a service, find and classify the chromosomes of the bundled metaphases, show them, and stop."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # as `nohup` does
            signal.signal(number, _leave)
    console = Console(markup=False, highlight=False, emoji=False, soft_wrap=not sys.stdout.isatty())
    raise typer.Exit(_run(console, samples, data_dir, keep=keep))


class _Leaving(SystemExit):
    """A signal asked for the end.

    Not a KeyboardInterrupt: Python remembers one that passed through an `exec`, as of dataclasses in an
    import, and then ends by the signal itself instead of with a status, however well it was handled.
    """

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def _run(console: Console, samples: Path, data_dir: Path, *, keep: bool) -> int:
    service = DemoService(ROOT, data_dir, keep=keep)
    started = time.monotonic()
    try:
        with service:
            with step(console, "Starting the service (database, broker, API, worker)"):
                service.wait_ready()
            result = _work(console, service.url, samples, data_dir / "report")
            page = write_report(result, _notice(samples), datetime.now().astimezone())
            print_results(console, result)
            print_filtered(console, result)
            _say_where(console, result, page, time.monotonic() - started)
            if not keep:
                console.print("Stopping the service ...")
    except ClientError as error:
        console.print(str(error), style="bold red", soft_wrap=True)
        tail = service.log_tail()
        if tail:
            console.print(f"The last lines of {service.log}:\n{tail}", style="dim", soft_wrap=True)
        return exit_code_of_error(error)
    except _Leaving as leaving:
        console.print("Interrupted; the service was stopped.", style="bold red")
        return leaving.status
    if keep:
        console.print(f"The service goes on at {service.url} (docs at /docs). Stop it: kill {service.pid}")
    return ExitCode.PARTIAL if result.failed else ExitCode.OK


def _work(console: Console, url: str, samples: Path, folder: Path) -> DemoResult:
    with Client(url) as client:
        with step(console, "Uploading the sample metaphases") as remark:
            report, upload_s = upload_samples(client, samples, lambda state: remark(state.message))
        classifier = find_classifier(client)
        if classifier is None:
            console.print(NO_CLASSIFIER, style="yellow", soft_wrap=True)
        what = "Finding chromosomes" if classifier is None else "Finding and classifying chromosomes"
        with step(console, what) as remark:
            job, wait_s = run_job(client, report, classifier, lambda job: remark(_state(job)))
        with step(console, "Fetching pictures and crops"):
            result = collect(
                client,
                job,
                report,
                folder,
                samples=samples,
                classifier=classifier,
                upload_s=upload_s,
                wait_s=wait_s,
            )
        result = replace(result, synthetic=_synthetic(console, client, result))
        return replace(result, filtered=_filtered(console, client, result))


def _synthetic(console: Console, client: Client, result: DemoResult) -> tuple[SyntheticResult, ...]:
    """What each generator makes of some of the chromosomes; none where all of them touch or are flagged."""
    sources = choose_sources(result.images, MAX_SOURCES)
    made = []
    for number, generator in enumerate(find_generators(client) if sources else (), start=1):
        picture = result.folder / "synthetic" / f"generator_{number}.png"
        with step(console, f"Making synthetic translocations with {ref_of(generator)}") as remark:
            made.append(make_synthetic(client, generator, sources, picture, lambda job: remark(_state(job))))
    return tuple(made)


def _filtered(console: Console, client: Client, result: DemoResult) -> FilteredResult | None:
    """What the filter in production says of the synthetic crops; None where there is nothing to ask."""
    made = [one for one in result.synthetic if one.crops]
    version = find_filter(client) if made else None
    if version is None:
        return None
    with step(console, f"Filtering them with {ref_of(version)}") as remark:
        page = result.folder / MAP
        return filter_synthetic(client, version, made, page, lambda job: remark(_state(job)))


def _state(job: Job) -> str:
    return f"{job.status} {job.progress.done}/{job.progress.total} {job.progress.unit}"


def _say_where(console: Console, result: DemoResult, page: Path, total_s: float) -> None:
    if result.classifier is not None:
        _say_how_good(console, result.classifier)
    for made in result.synthetic:
        _say_what_was_made(console, made)
    filtered = result.filtered
    versions = [result.segmenter, result.classifier, *(made.generator for made in result.synthetic)]
    for version in [*versions, filtered.filter if filtered else None]:
        if version is not None:
            console.print(
                f"{version.kind.capitalize()}: {ref_of(version)}, sha256 {version.sha256}", soft_wrap=True
            )
    console.print(f"Page with pictures: {page}", style="bold", soft_wrap=True)
    if filtered is not None and filtered.page is not None:
        console.print(f"Map of the filter, with a slider: {filtered.page}", soft_wrap=True)
    console.print(f"Overlays, crops (crops.csv), masks: {result.folder}", soft_wrap=True)
    console.print(f"All of it took {total_s:.1f} s.")


def _say_how_good(console: Console, classifier: ArtifactVersion) -> None:
    """One honest line: a flag is a hint, and how often it is right."""
    best = trust_of(classifier, ()).headline
    figures = "nobody measured how often it is right"
    if best is not None:
        figures = (
            f"on {best.split} slides F1 {best.f1}, precision {best.precision}, recall {best.recall} "
            f"({best.aberrations} aberrant crops)"
        )
    console.print(
        f"Flagged means: look at it. {ref_of(classifier)}: {figures}. Not a medical device.", soft_wrap=True
    )


def _say_what_was_made(console: Console, made: SyntheticResult) -> None:
    ref, reason = ref_of(made.generator), (made.job.error or {}).get("detail", "no reason was given")
    console.print(
        f"{made.crops} synthetic translocations by {ref}: no findings, they belong to no sample."
        if made.crops
        else f"No synthetic translocations by {ref}: {made.job.status}, {reason}",
        soft_wrap=True,
    )


def _notice(samples: Path) -> str:
    """The images' licence, which goes with every copy of them."""
    try:
        return (samples / NOTICE).read_text(encoding="utf-8")
    except OSError:
        return "These are images of your own; no licence note lies beside them."


def _leave(number: int, frame: FrameType | None) -> None:
    """Turn a polite end signal into an exception, so that the service is stopped on the way out."""
    del frame
    raise _Leaving(128 + number)


if __name__ == "__main__":
    typer.run(demo)
