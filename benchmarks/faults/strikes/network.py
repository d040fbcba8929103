"""A network that swallows packets: workers in network namespaces of their own, and links that go silent.

Nothing is refused or reset: each side only hears nothing. That is what a pulled cable or a firewall that
forgot its connections looks like, and the one fault that no exception announces.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from benchmarks.faults.processes import NotInTimeError, eventually
from benchmarks.faults.relays import Relay, to_socket
from benchmarks.faults.stage import Options, Place, Seen, Stage
from benchmarks.faults.strikes.base import Blow, Fault, NotPossibleError, pause
from services.embedded.postgres import EmbeddedPostgres
from services.embedded.redis import EmbeddedRedis

NOBODY: Final = ("lladdr", "02:00:00:00:00:99", "nud", "permanent")
ENDS_WITHIN_S: Final = 90.0


@dataclass(frozen=True)
class Link:
    """A cable between this computer and a namespace."""

    outer: str
    inner: str
    namespace: str
    address: str

    def lay(self, stack: ExitStack) -> None:
        """Make it, with the addresses ``….1`` outside and ``….2`` inside."""
        run("ip", "link", "add", self.outer, "type", "veth", "peer", "name", self.inner)
        stack.callback(run, "ip", "link", "del", self.outer, check=False)
        run("ip", "link", "set", self.inner, "netns", self.namespace)
        run("ip", "addr", "add", f"{self.address}.1/24", "dev", self.outer)
        run("ip", "link", "set", self.outer, "up")
        inside("ip", "addr", "add", f"{self.address}.2/24", "dev", self.inner, namespace=self.namespace)
        inside("ip", "link", "set", self.inner, "up", namespace=self.namespace)

    def cut(self) -> None:
        """Swallow every packet, both ways: each end is told that the other has an address that nobody has."""
        run(*self._neighbour("replace", 2, self.outer), *NOBODY)
        inside(*self._neighbour("replace", 1, self.inner), *NOBODY, namespace=self.namespace)

    def mend(self) -> None:
        """Let both ends ask for each other again."""
        run(*self._neighbour("del", 2, self.outer), check=False)
        inside(*self._neighbour("del", 1, self.inner), namespace=self.namespace, check=False)

    def _neighbour(self, action: str, end: int, device: str) -> tuple[str, ...]:
        return ("ip", "neigh", action, f"{self.address}.{end}", "dev", device)


class _Cut(Fault):
    """Two namespaces with two workers each; each has a cable to the database and one to the broker."""

    place: ClassVar[str] = "cables"
    jobs_at_once: ClassVar[int] = 4
    own_broker: ClassVar[bool] = True
    server: ClassVar[str]
    links: ClassVar[dict[str, dict[str, Link]]] = {}

    @contextmanager
    def options(self, folder: Path, broker_url: str) -> Iterator[Options]:
        """Lay the cables; needs root and ``ip``."""
        if os.geteuid() != 0 or shutil.which("ip") is None:
            raise NotPossibleError("network namespaces need root and the command ip")
        sockets = {
            "database": EmbeddedPostgres(folder).sockets / ".s.PGSQL.5432",
            "broker": EmbeddedRedis(folder).socket,
        }
        with ExitStack() as stack:
            places = []
            for number in range(2):
                namespace = f"kb{os.getpid() % 10000}n{number}"
                run("ip", "netns", "add", namespace)
                stack.callback(run, "ip", "netns", "del", namespace, check=False)
                inside("ip", "link", "set", "lo", "up", namespace=namespace)
                places.append(self._place(stack, number, namespace, sockets))
            yield Options(places=places, broker_url=broker_url)

    def _place(self, stack: ExitStack, number: int, namespace: str, sockets: dict[str, Path]) -> Place:
        urls = {}
        self.links[namespace] = {}
        for which, (server, path) in enumerate(sockets.items()):
            name = f"kb{os.getpid() % 10000}{number}{which}"
            link = Link(f"{name}o", f"{name}i", namespace, _subnet(2 * number + which))
            link.lay(stack)
            relay = stack.enter_context(Relay(to_socket(str(path)), f"{link.address}.1"))
            urls[server] = f"{link.address}.1:{relay.port}"
            self.links[namespace][server] = link
        environment = {
            "DATABASE_URL": f"postgresql+psycopg://karyobridge@{urls['database']}/karyobridge",
            "BROKER_URL": f"redis://{urls['broker']}/0",
        }
        return Place(("ip", "netns", "exec", namespace), environment)

    def strike(self, stage: Stage, hit: Sequence[Seen], rng: random.Random) -> Blow:
        """Silence the cable of one namespace for longer than a lease, and see its workers come back."""
        owners = {job.id: stage.member_of(job.worker_pid or 0) for job in hit}
        namespace = next(owner.prefix[-1] for owner in owners.values() if owner)
        cut_off = {one: owner for one, owner in owners.items() if owner and owner.prefix[-1] == namespace}
        sizes = {owner.name: owner.log.stat().st_size for owner in cut_off.values()}
        link = self.links[namespace][self.server]
        link.cut()
        try:
            cut_s = pause(rng, stage.settings.lease_s + 2, stage.settings.lease_s + 6)
        finally:
            link.mend()
        breaches = {}
        try:
            eventually(
                lambda: all(
                    _ended_since(owner.log, sizes[owner.name]) or _ended_before(stage, job)
                    for job in hit
                    if (owner := cut_off.get(job.id)) is not None
                ),
                "the workers that were cut off ended their jobs or gave them up",
                ENDS_WITHIN_S,
                0.2,
            )
        except NotInTimeError as error:
            breaches["stuck"] = str(error)
        # A job that its worker ended in the moment before was not met.
        met = [one for one, owner in cut_off.items() if _ended_since(owner.log, sizes[owner.name])]
        return Blow({"cut_s": cut_s}, breaches, struck=tuple(met))


class CutFromDatabase(_Cut):
    """Renewals, items and ends of jobs get no answer."""

    name: ClassVar[str] = "cut-database"
    title: ClassVar[str] = "packets between worker and database dropped for longer than a lease"
    server: ClassVar[str] = "database"


class CutFromBroker(_Cut):
    """A worker hears of no job, and its acknowledgements get lost."""

    name: ClassVar[str] = "cut-broker"
    title: ClassVar[str] = "packets between worker and broker dropped for longer than a lease"
    server: ClassVar[str] = "broker"


def _subnet(number: int) -> str:
    """Return the first three parts of addresses that no other run on this computer uses."""
    own = os.getpid() % 3600
    return f"10.{190 + own // 60}.{4 * (own % 60) + number}"


def run(*words: str, check: bool = True) -> None:
    """Run a command; its output matters only when it fails."""
    subprocess.run(words, check=check, capture_output=True)


def inside(*words: str, namespace: str, check: bool = True) -> None:
    """Run a command in a namespace."""
    run("ip", "netns", "exec", namespace, *words, check=check)


def _ended_since(log: Path, size: int) -> bool:
    with log.open("rb") as stream:
        stream.seek(size)
        return b"job ended" in stream.read()


def _ended_before(stage: Stage, job: Seen) -> bool:
    """Whether the attempt that was seen has ended the job: then its worker has nothing more to say of it."""
    now = stage.seen([job.id])[job.id]
    return now.ended and now.attempt == job.attempt
