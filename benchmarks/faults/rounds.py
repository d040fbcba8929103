"""One round: submit, wait for a random moment, strike, wait for the ends, look at what is there."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from benchmarks.faults import kinds
from benchmarks.faults.fingerprints import Fingerprint, fingerprint, missing_promises, promised
from benchmarks.faults.inputs import Inputs
from benchmarks.faults.invariants import breaches_of, common_breaches
from benchmarks.faults.processes import NotInTimeError, eventually
from benchmarks.faults.stage import Seen, Stage
from benchmarks.faults.strikes.base import Blow, Fault
from client.http import Client

ENDS_WITHIN_S: Final = 300.0
CLAIMED_WITHIN_S: Final = 120.0
STIRS_WITHIN_S: Final = 20.0


@dataclass
class Rounds:
    """Rounds on one installation.

    Attributes
    ----------
    expected
        What an undisturbed job of each kind makes.
    usual_s
        How long it runs.
    stretch
        How much longer jobs run that run beside each other; learnt on the way.
    """

    stage: Stage
    inputs: Inputs
    client: Client
    expected: dict[str, Fingerprint] = field(default_factory=dict)
    usual_s: dict[str, float] = field(default_factory=dict)
    stretch: float = 1.0

    def learn(self, wanted: Sequence[str]) -> None:
        """Run a job of every kind undisturbed, twice; the first time also warms the workers up."""
        runs = [self._undisturbed(wanted) for _ in range(2)]
        for kind in wanted:
            self.expected[kind] = promised(runs[0][kind], runs[1][kind])
            lost = missing_promises(kind, self.expected[kind])
            if lost or self.expected[kind].get("status") != "succeeded":
                raise SystemExit(f"Undisturbed jobs of kind {kind} end differently: {lost}, {runs}")
            compared = len(self.expected[kind])
            print(f"  {kind}: {self.usual_s[kind]:.1f} s, {compared} values compared", flush=True)

    def _undisturbed(self, wanted: Sequence[str]) -> dict[str, Fingerprint]:
        ids = {kind: kinds.submit(kind, self.stage, self.inputs, self.client) for kind in wanted}
        ended = self._ended(list(ids.values()), len(ids) * ENDS_WITHIN_S)
        for kind, job_id in ids.items():
            age_s = ended[job_id].age_s
            self.usual_s[kind] = min(age_s, self.usual_s.get(kind, age_s))
        return {kind: fingerprint(self.stage, job_id) for kind, job_id in ids.items()}

    def play(
        self, fault: Fault, group: Sequence[str], number: int, rng: random.Random
    ) -> list[dict[str, Any]]:
        """Play one round with a job of each kind; returns a line for each of them."""
        ids = {kinds.submit(kind, self.stage, self.inputs, self.client): kind for kind in group}
        before = self._await_moment(ids, rng)
        hit = [job for job in before.values() if fault.strikes(job)]
        for job_id, job in before.items():
            if job.ended:  # sooner than while the installation warmed up
                self.usual_s[ids[job_id]] = min(self.usual_s[ids[job_id]], job.age_s)
        self._adapt(len(hit), len(group))
        started = time.monotonic()
        blow = fault.strike(self.stage, hit, rng) if hit else Blow()
        everyone = [*ids, *blow.job_ids]
        try:
            after = self._ended(everyone)
        except NotInTimeError:
            after = self.stage.seen(everyone)
        seconds = round(time.monotonic() - started, 1)
        shared = blow.breaches | _bystanders(blow.job_ids, after) | common_breaches(self.stage, list(ids))
        struck = {job.id for job in hit} if blow.struck is None else set(blow.struck)
        return [
            {
                "fault": fault.name,
                "kind": kind,
                "round": number,
                "at": datetime.now(UTC).isoformat(timespec="seconds"),
                "hit": job_id in struck,
                "phase": _phase(before[job_id], self.usual_s[kind]),
                "blow": blow.facts,
                "seconds": seconds,
                **self._outcome(job_id, kind, after.get(job_id)),
                "shared_breaches": shared,
            }
            for job_id, kind in ids.items()
        ]

    def _await_moment(self, ids: Mapping[str, str], rng: random.Random) -> dict[str, Seen]:
        """Wait until as many jobs run as there are workers, and then for a random part of one job's time.

        In half of the rounds that time begins with the claim, in half with the first sign of progress:
        a worker that was just started needs longer for its imports than a small job for its work.
        """
        runnable = min(len(ids), len(self.stage.workers))

        def claimed() -> bool:
            jobs = self.stage.seen(list(ids)).values()
            return sum(job.status != "queued" for job in jobs) >= runnable

        def stirs() -> bool:
            job = self.stage.seen([target])[target]
            return job.ended or job.done > 0 or job.recorded > 0 or bool(job.message)

        eventually(claimed, "the jobs are claimed", CLAIMED_WITHIN_S)
        running = [job.id for job in self.stage.seen(list(ids)).values() if job.status == "running"]
        target = rng.choice(sorted(running or ids))
        if rng.random() < 0.5:
            with suppress(NotInTimeError):
                eventually(stirs, "the job makes progress", STIRS_WITHIN_S)
        time.sleep(rng.uniform(0, 0.9) * self.usual_s[ids[target]] * self.stretch)
        return self.stage.seen(list(ids))

    def _adapt(self, hit: int, size: int) -> None:
        self.stretch *= 1.05 if hit == size else 0.85 if hit < size / 2 else 0.97
        self.stretch = min(max(self.stretch, 0.3), 6.0)

    def _ended(self, job_ids: Sequence[str], within_s: float = ENDS_WITHIN_S) -> dict[str, Seen]:
        def ended() -> dict[str, Seen] | None:
            jobs = self.stage.seen(job_ids)
            return jobs if all(job.ended for job in jobs.values()) else None

        return eventually(ended, f"the jobs {job_ids} end", within_s, 0.1)

    def _outcome(self, job_id: str, kind: str, job: Seen | None) -> dict[str, Any]:
        if job is None:
            return {"status": None, "attempts": None, "breaches": {"lost": job_id}}
        if not job.ended:
            breaches = {"stuck": f"{job.status} after {ENDS_WITHIN_S:.0f} s, {job.message}"}
        else:
            breaches = breaches_of(self.stage, job_id, self.expected[kind])
        if "wrong_end" in breaches:
            breaches["wrong_end"] += f" ({job.error})"
        return {"status": job.status, "attempts": job.attempt, "breaches": breaches}


def _bystanders(job_ids: Sequence[str], after: Mapping[str, Seen]) -> dict[str, str]:
    """Look at the jobs that clients submitted while it happened."""
    lost = [job_id for job_id in job_ids if job_id not in after]
    if lost:
        return {"lost": ", ".join(lost)}
    wrong = [f"{one} is {after[one].status}" for one in job_ids if after[one].status != "succeeded"]
    return {"stuck": ", ".join(wrong)} if wrong else {}


def _phase(job: Seen, usual_s: float) -> dict[str, Any]:
    """Say how far a job was when it was struck."""
    return {
        "status": job.status,
        "done": job.done,
        "total": job.total,
        "recorded": job.recorded,
        "message": job.message,
        "age_s": round(job.age_s, 2),
        "usual_s": round(usual_s, 2),
    }
