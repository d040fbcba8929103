"""Watching jobs from a terminal: a bar per job, or lines where there is no terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import typer
from rich.progress import Progress, TaskID

from client.cli.exits import ExitCode
from client.cli.output import complain, count_progress, plain, remark
from client.http import Client
from client.records import Job


def follow_jobs(
    client: Client,
    job_ids: Sequence[str],
    *,
    timeout_s: float | None = None,
    on_state: Callable[[Job], None] = lambda _: None,
) -> list[Job]:
    """Follow jobs one after the other until all have ended.

    Ctrl-C leaves the jobs alone: it says so, and ends the process with 130.
    """
    ended: list[Job] = []
    try:
        with count_progress() as progress:
            # Not a comprehension: what has ended must be known if Ctrl-C comes in between.
            for job_id in job_ids:
                job = _follow(client, job_id, progress, timeout_s, on_state)
                ended.append(job)
    except KeyboardInterrupt as error:
        left = [job_id for job_id in job_ids if job_id not in {job.id for job in ended}]
        complain(
            f"No longer watching; the work goes on: {', '.join(left)}. "
            f"See it again with `watch {left[0] if left else 'JOB'}`, stop it with `jobs cancel`."
        )
        raise typer.Exit(ExitCode.INTERRUPTED) from error
    return ended


def _follow(
    client: Client,
    job_id: str,
    progress: Progress,
    timeout_s: float | None,
    on_state: Callable[[Job], None],
) -> Job:
    task = progress.add_task(job_id, total=None)
    status = ""

    def show(job: Job) -> None:
        nonlocal status
        on_state(job)
        _update(progress, task, job)
        if job.status != status:
            status = job.status
            if progress.disable:
                remark(_line(job))

    job = client.wait(job_id, show, timeout_s=timeout_s)
    progress.remove_task(task)
    if not progress.disable:
        remark(_line(job))
    return job


def _update(progress: Progress, task: TaskID, job: Job) -> None:
    words = [job.kind, job.status]
    if job.queue_position is not None and job.status == "queued":
        words.append(f"(place {job.queue_position} in the queue)")
    words.append(plain(job.progress.message) if job.progress.message else "")
    progress.update(
        task,
        description=" ".join(word for word in words if word),
        completed=job.progress.done,
        total=job.progress.total or None,
    )


def _line(job: Job) -> str:
    text = f"{job.id}: {job.status}, {job.progress.done} of {job.progress.total} {job.progress.unit}"
    if job.run_s is not None and job.ended:
        text += f", {job.run_s:.1f} s"
    if job.error:
        text += f"\n  {job.error.get('code', '')}: {job.error.get('detail', '')}"
    return text
