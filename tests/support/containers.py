"""Containers without an engine: each declared service in a root, a user and a network like its own.

Linux namespaces do here what Docker does: a network that no other process of the computer shares, on
which every service has an address and a name; per service a copy-on-write root that is read-only where
compose says so; its user, no capability but one, its volumes, secrets and tmpfs. Three things differ.
The packages are those of the environment that runs the tests (at ``/opt/venv``) and not of an
image; the user keeps CAP_DAC_READ_SEARCH, because that environment may lie below a closed home; and
there is one network, where compose has two, without limits of memory and processors.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

import psutil
import pytest

from tests.support.compose import ROOT, Stage

TOOLS = ("unshare", "nsenter", "setpriv", "mount", "ip", "chroot")
PACKAGES = "/opt/venv"
READABLE_USER = (
    "--clear-groups",
    "--no-new-privs",
    "--inh-caps=-all,+dac_read_search",
    "--ambient-caps=-all,+dac_read_search",
    "--bounding-set=-all,+dac_read_search",
)
POLL_S = 0.05
CHECK_EVERY_S = 0.5  # a check is a process of its own, and takes time from the one it waits for
NETWORK = "10.77.0"
END_WITHIN_S = 60.0
SCRATCH = "/tmp"  # noqa: S108 - of a container, not of this computer


@dataclass
class Container:
    """A service's root and what is known of its processes.

    Attributes
    ----------
    pause
        Number of the process that keeps its network; nothing else runs in it.
    user
        ``uid:gid``; None is root with all that root may do, as images of others are.
    """

    name: str
    pause: int
    root: Path
    environment: Mapping[str, str]
    folder: str
    user: str | None
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self, command: Sequence[str]) -> None:
        """Start the service's process in the background."""
        with self.log.open("ab") as stream:
            self.process = subprocess.Popen(self._inside(command), stdout=stream, stderr=subprocess.STDOUT)

    def run(self, command: Sequence[str], within_s: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run a command beside it, as ``docker exec`` does."""
        return subprocess.run(
            self._inside(command), capture_output=True, text=True, check=False, timeout=within_s
        )

    def wait_healthy(self, check: Sequence[str], within_s: float = 90.0) -> None:
        """Ask the health check again and again until it is content."""
        deadline = time.monotonic() + within_s
        while (last := self.run(check)).returncode != 0:
            assert self.process is None or self.process.poll() is None, f"{self.name} ended:\n{self.tail()}"
            assert time.monotonic() < deadline, f"{self.name}: {last.stdout}{last.stderr}\n{self.tail()}"
            time.sleep(CHECK_EVERY_S)

    def wait(self, within_s: float = 90.0) -> int:
        """Wait for the end of a service that ends by itself."""
        assert self.process is not None
        return self.process.wait(within_s)

    def stop(self, within_s: float, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; returns the exit status as a shell sees it."""
        assert self.process is not None
        # nsenter waits outside for the process that it has put inside.
        (inside,) = psutil.Process(self.process.pid).children()
        inside.send_signal(number)
        return self.process.wait(within_s)

    def tail(self) -> str:
        """Return the end of what it wrote."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-3000:]

    def _inside(self, command: Sequence[str]) -> list[str]:
        variables = [f"{name}={value}" for name, value in self.environment.items()]
        user = []
        if self.user is not None:
            uid, gid = self.user.split(":")
            user = ["setpriv", f"--reuid={uid}", f"--regid={gid}", *READABLE_USER]
        entered = ["env", "-i", "-C", self.folder, *variables, *command]
        return [*entering(self.pause), "chroot", str(self.root), *user, *entered]


@dataclass
class Host:
    """A computer of its own: network, mounts and processes apart from all others."""

    pid: int
    stage: Path
    logs: Path
    names: Sequence[str]
    containers: list[Container]
    children: list[subprocess.Popen[bytes]]

    @property
    def enter(self) -> list[str]:
        """What stands before a command that is to run on this host."""
        return entering(self.pid)

    def container(
        self,
        name: str,
        service: Mapping[str, Any],
        stage: Stage | None = None,
        *,
        secrets: Path,
        user: str | None = None,
    ) -> Container:
        """Make a service's root as compose describes it; `stage` is that of our Dockerfile."""
        place = self.stage / name
        root = place / "root"
        lines = [
            f"mkdir -p {place}/upper {place}/work {root}",
            f"mount -t overlay overlay -o lowerdir=/,upperdir={place}/upper,workdir={place}/work {root}",
            f"mount --rbind /dev {root}/dev",
            f"mount -t proc proc {root}/proc",
            f"mkdir -p {root}/app {root}{PACKAGES} {root}/run/secrets",
            f"mount --bind {quote(sys.prefix)} {root}{PACKAGES}",
            f"printf '%s\\n' {' '.join(quote(line) for line in self._hosts())} > {root}/etc/hosts",
        ]
        files = [(secrets / secret, "/run/secrets/") for secret in service.get("secrets", ())]
        files += [(ROOT / source, "/app/") for source, _ in (stage.copies if stage else ())]
        lines += [f"cp -R {quote(str(source))} {root}{target}" for source, target in files]
        lines += self._volumes(root, service, stage.user if stage else user)
        if service.get("read_only"):
            lines.append(f"mount -o remount,ro {root}")
        for entry in service.get("tmpfs", (SCRATCH,)):
            path, _, options = entry.partition(":")
            lines.append(f"mount -t tmpfs -o {options or 'size=1g'},mode=1777 tmpfs {root}{path}")
        self.shell(lines)
        made = Container(
            name,
            self._network(name),
            root,
            _environment(service, stage),
            "/app" if stage else "/",
            stage.user if stage else user,
            self.logs / f"{name}.log",
        )
        self.containers.append(made)
        return made

    def shell(self, lines: Sequence[str]) -> None:
        """Run shell commands on this host, as root."""
        done = subprocess.run(
            [*self.enter, "sh", "-ec", "\n".join(lines)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{done.stderr}\n{lines}"

    def _hosts(self) -> list[str]:
        return ["127.0.0.1 localhost", *(f"{self._address(name)} {name}" for name in self.names)]

    def _address(self, name: str) -> str:
        return f"{NETWORK}.{10 + self.names.index(name)}"

    def _network(self, name: str) -> int:
        """Give a service a network card on the host's bridge; returns the process that keeps it."""
        keeper = subprocess.Popen([*self.enter, "unshare", "--net", "sleep", "infinity"])
        self.children.append(keeper)
        pause = _sleeper(keeper.pid)
        cable = f"cable{self.names.index(name)}"
        # The process is told by its number on this host, which counts its own.
        number = _number_inside(pause)
        self.shell(
            [
                f"ip link add {cable} type veth peer name eth0 netns {number}",
                f"ip link set {cable} master bridge0 up",
                f"nsenter --target={number} --net ip link set lo up",
                f"nsenter --target={number} --net ip address add {self._address(name)}/24 dev eth0",
                f"nsenter --target={number} --net ip link set eth0 up",
            ]
        )
        return pause

    def _volumes(self, root: Path, service: Mapping[str, Any], user: str | None) -> Iterator[str]:
        for volume in service.get("volumes", ()):
            name, path = volume.split(":")
            yield f"mkdir -p {self.stage}/volumes/{name} {root}{path}"
            yield f"mount --bind {self.stage}/volumes/{name} {root}{path}"
            if user is not None:
                yield f"chown {user} {root}{path}"


@contextmanager
def simulated_host(folder: Path, names: Sequence[str]) -> Iterator[Host]:
    """Make a host on which `names` resolve; at the end all its processes and mounts are gone.

    The test is skipped where namespaces cannot be made: that takes Linux, root and util-linux.
    """
    _require_namespaces()
    stage = folder / "stage"
    stage.mkdir()
    setting_up = " && ".join(
        (
            "mount --make-rprivate /",
            f"mount -t tmpfs tmpfs {quote(str(stage))}",
            "ip link set lo up",
            "ip link add bridge0 type bridge",
            f"ip address add {NETWORK}.1/24 dev bridge0",
            "ip link set bridge0 up",
            "echo ready",
            "exec sleep infinity",
        )
    )
    command = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    process = subprocess.Popen([*command, "sh", "-c", setting_up], stdout=subprocess.PIPE)
    host = Host(0, stage, folder, names, [], [])
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        host.pid = _sleeper(process.pid)
        yield host
    finally:
        # With the first process of its own numbering, every other process of the host ends.
        process.kill()
        process.communicate()
        for child in [*host.children, *(made.process for made in host.containers if made.process)]:
            child.wait(END_WITHIN_S)


def entering(pid: int) -> list[str]:
    """Return what stands before a command that is to run where the process `pid` is."""
    return ["nsenter", f"--target={pid}", "--net", "--mount", "--pid"]


def _sleeper(pid: int) -> int:
    """Wait for the ``sleep`` that `pid` puts into other namespaces; before it they may not be made yet."""
    deadline = time.monotonic() + END_WITHIN_S
    while not (
        found := [one for one in psutil.Process(pid).children(recursive=True) if one.name() == "sleep"]
    ):
        assert time.monotonic() < deadline, "No process came up in the namespaces."
        time.sleep(POLL_S)
    return int(found[0].pid)


def _number_inside(pid: int) -> int:
    """Return a process's number as its own host counts."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[-1])


def _require_namespaces() -> None:
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("Containers are simulated by namespaces, which only root on Linux can make.")
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"Containers cannot be simulated without {', '.join(missing)}.")
    tried = subprocess.run(
        ["unshare", "--net", "--mount", "--pid", "--fork", "true"], capture_output=True, check=False
    )
    if tried.returncode != 0:
        pytest.skip(f"No namespaces can be made here: {tried.stderr.decode().strip()}")


def _environment(service: Mapping[str, Any], stage: Stage | None) -> dict[str, str]:
    """Return the image's variables and compose's own; the path has what images bring."""
    image = dict(stage.environment) if stage else {}
    path = os.pathsep.join([f"{PACKAGES}/bin", *_engines(), "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"])
    declared = {name: str(value) for name, value in (service.get("environment") or {}).items()}
    # Other tests use the same processors: threads that wait for each other would crawl.
    return {"HOME": SCRATCH, "OMP_NUM_THREADS": "1", **image, "PATH": path, **declared}


def _engines() -> list[str]:
    """Return where the wheels of Postgres and Redis keep their programs."""
    from services.embedded.postgres import EmbeddedPostgres  # noqa: PLC0415 - only where it is used
    from services.embedded.redis import EmbeddedRedis  # noqa: PLC0415

    nowhere = Path("/nonexistent")
    folders = [EmbeddedPostgres(nowhere)._binaries(), EmbeddedRedis(nowhere)._binaries()]
    return [str(folder).replace(sys.prefix, PACKAGES, 1) for folder in folders]
