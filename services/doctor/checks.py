"""The list of checks, and how one is run: with a deadline, and whatever it does, as findings."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from services.doctor import broker, configuration, database, machine, outside, store, work
from services.doctor.findings import Finding, fail, skipped
from services.doctor.installation import Installation


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes
    ----------
    name
        What is said to be slow, if it is.
    needs
        Names of checks without which this one says nothing: their first finding must not be a failure.
    deadline_s
        After this time it is given up, however it hangs.
    """

    name: str
    run: Callable[[Installation], Iterable[Finding]]
    needs: tuple[str, ...] = ()
    deadline_s: float = 20.0


CHECKS: Final = (
    Check("python", machine.check_python),
    Check("packages", machine.check_packages),
    Check("settings", configuration.check_settings),
    Check("disk", machine.check_disk),
    Check("limits", machine.check_limits),
    Check("numba", machine.check_numba),
    Check("torch", machine.check_torch, deadline_s=machine.TORCH_WITHIN_S + 10),
    Check("database", database.check_database),
    Check("schema", database.check_revision, ("database",)),
    Check("clock", database.check_clock, ("database",)),
    Check("durability", database.check_durability, ("database",)),
    Check("connections", database.check_connections, ("database",)),
    Check("tables", database.check_upkeep, ("database", "schema")),
    Check("keys", database.check_keys, ("database", "schema")),
    Check("broker", broker.check_broker, deadline_s=30),
    Check("queues", broker.check_queues, ("broker",), deadline_s=30),
    Check("store", store.check_store, deadline_s=90),
    Check("artifacts", store.check_artifacts, ("database", "schema", "store"), deadline_s=120),
    Check("jobs", work.check_waiting, ("database", "schema")),
    Check("workers", work.check_workers, ("database", "schema", "broker")),
    Check("api", outside.check_api, deadline_s=45),
    Check("traces", outside.check_collector),
)


def examine(installation: Installation, checks: Iterable[Check] = CHECKS) -> Iterator[Finding]:
    """Run the checks in their order, and yield what they find as soon as it is known."""
    failed: set[str] = set()
    for check in checks:
        missing = [name for name in check.needs if name in failed]
        if missing:
            failed.add(check.name)
            yield skipped(check.name, f"cannot be looked at until {missing[0]} is well")
            continue
        findings = run_check(check, installation)
        if findings and findings[0].status == "fail":
            failed.add(check.name)
        yield from findings


def run_check(check: Check, installation: Installation) -> list[Finding]:
    """Run one check in a thread that nobody waits for once its time is over."""
    deadline_s = check.deadline_s
    if check.name == "workers":
        # It waits for two jobs and the sweeper, for as long as the person said.
        deadline_s += 2 * installation.job_within_s + 3 * installation.settings.sweep_interval_s
    found: list[Finding] = []

    def run() -> None:
        try:
            found.extend(check.run(installation))
        except Exception as error:  # noqa: BLE001 - a doctor never dies of an illness that nobody knew
            found.append(
                fail(
                    check.name,
                    f"the check itself failed: {type(error).__name__}: {error}",
                    "Please report this.",
                )
            )

    thread = threading.Thread(target=run, name=f"doctor-{check.name}", daemon=True)
    thread.start()
    thread.join(deadline_s)
    if thread.is_alive():
        return [
            *found,
            fail(
                check.name,
                f"no answer within {deadline_s:g} s",
                "Something on the way hangs: a firewall, a full disk, a server.",
            ),
        ]
    return found
