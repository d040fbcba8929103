from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg
import pytest

from services.embedded.errors import DataDirInUseError, EngineFailedError
from services.embedded.postgres import EmbeddedPostgres

pytestmark = [pytest.mark.integration, pytest.mark.own_engines]


def query(url: str, statement: str) -> list[tuple[object, ...]]:
    """Run one statement and return its rows, or nothing."""
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        cursor = connection.execute(statement)  # type: ignore[call-overload]
        return cursor.fetchall() if cursor.description else []


def kill_everything(pid: int) -> None:
    """End a server and all its processes as a power cut would."""
    server = psutil.Process(pid)
    doomed = [server, *server.children(recursive=True)]
    for process in doomed:
        process.kill()
    psutil.wait_procs(doomed, timeout=10)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory, in a path with a space and deeper than any socket could be, used once."""
    data_dir = tmp_path_factory.mktemp("a lab") / ("deep" * 30) / "var"
    with EmbeddedPostgres(data_dir) as postgres:
        query(postgres.url, "CREATE TABLE note AS SELECT 'kept' AS text")
    return data_dir


class TestEmbeddedPostgres:
    def test_data_survives_a_restart(self, cluster: Path) -> None:
        """A second start finds what the first one stored."""
        with EmbeddedPostgres(cluster) as postgres:
            assert [("kept",)] == query(postgres.url, "SELECT text FROM note")

    def test_listens_on_no_network(self, cluster: Path) -> None:
        """Only a private unix socket leads in."""
        with EmbeddedPostgres(cluster) as postgres:
            assert [("",)] == query(postgres.url, "SHOW listen_addresses")
            assert 0o700 == postgres.sockets.stat().st_mode & 0o777

    def test_leaves_neither_process_nor_socket_behind(self, cluster: Path) -> None:
        """After `stop` the machine is as before."""
        postgres = EmbeddedPostgres(cluster)
        postgres.start()
        pid, sockets = postgres.pid, postgres.sockets
        postgres.stop()

        assert pid is not None
        assert not psutil.pid_exists(pid)
        assert not sockets.exists()

    def test_starts_after_everything_was_killed(self, cluster: Path) -> None:
        """Stale pid, lock and socket files do not stop the next start, and nothing is lost."""
        killed = EmbeddedPostgres(cluster)
        killed.start()
        assert killed.pid is not None
        query(killed.url, "CREATE TABLE IF NOT EXISTS after_kill AS SELECT 1 AS one")
        kill_everything(killed.pid)
        killed.stop()
        with EmbeddedPostgres(cluster) as postgres:
            assert [(1,)] == query(postgres.url, "SELECT one FROM after_kill")

    def test_starts_when_the_stale_pid_belongs_to_another_program(self, cluster: Path) -> None:
        """After a reboot the number in the pid file may be anybody's; here it is the test's own."""
        (cluster / "postgres" / "postmaster.pid").write_text(f"{os.getppid()}\n{cluster}\n", encoding="utf-8")

        with EmbeddedPostgres(cluster) as postgres:
            assert [("kept",)] == query(postgres.url, "SELECT text FROM note")

    def test_second_server_of_one_directory_is_refused(
        self, cluster: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Two servers never write the same files, and the first goes on undisturbed."""
        monkeypatch.setattr("services.embedded.lock.RELEASE_GRACE_S", 0.1)
        with EmbeddedPostgres(cluster) as first:
            with pytest.raises(DataDirInUseError, match="choose another DATA_DIR"):
                EmbeddedPostgres(cluster).start()

            assert [(1,)] == query(first.url, "SELECT 1")

    def test_two_directories_are_served_at_once(self, cluster: Path, tmp_path: Path) -> None:
        """Each service on a machine has a database of its own."""
        with EmbeddedPostgres(cluster) as one, EmbeddedPostgres(tmp_path, durable=False) as other:
            assert [(1,)] == query(one.url, "SELECT count(*) FROM pg_class WHERE relname = 'note'")
            assert [(0,)] == query(other.url, "SELECT count(*) FROM pg_class WHERE relname = 'note'")

    def test_a_broken_cluster_is_reported_with_the_servers_words(self, cluster: Path, tmp_path: Path) -> None:
        """The message shows why Postgres did not start, and nothing goes on running."""
        shutil.copytree(cluster / "postgres", tmp_path / "postgres")
        if os.geteuid() == 0:
            owner = (cluster / "postgres").stat()
            for path in [tmp_path / "postgres", *(tmp_path / "postgres").rglob("*")]:
                os.chown(path, owner.st_uid, owner.st_gid)
        (tmp_path / "postgres" / "postgresql.conf").write_text("no such setting = 1\n", encoding="utf-8")
        postgres = EmbeddedPostgres(tmp_path)

        with pytest.raises(EngineFailedError, match=r"(?s)postgres\.log.*syntax error"):
            postgres.start()
        assert postgres.pid is None

    def test_an_interrupted_first_start_is_made_good(self, tmp_path: Path) -> None:
        """A cluster that was only half made is thrown away."""
        (tmp_path / "postgres.new").mkdir()
        (tmp_path / "postgres.new" / "PG_VERSION").write_text("18\n", encoding="utf-8")

        with EmbeddedPostgres(tmp_path, durable=False) as postgres:
            assert [(1,)] == query(postgres.url, "SELECT 1")


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root can take on an account")
class TestEmbeddedPostgresAsRoot:
    def test_server_runs_as_an_account_without_rights(self, cluster: Path) -> None:
        """Postgres never runs as root, and needs no account made for it."""
        with EmbeddedPostgres(cluster) as postgres:
            assert pwd.getpwnam("nobody").pw_uid == psutil.Process(postgres.pid).uids().effective

    def test_works_below_a_folder_that_only_root_may_enter(self, tmp_path: Path) -> None:
        """A checkout in root's own home needs no wider permissions."""
        private = tmp_path / "home"
        private.mkdir(mode=0o700)
        with EmbeddedPostgres(private / "var", durable=False) as postgres:
            assert [(1,)] == query(postgres.url, "SELECT 1")
        assert 0o700 == private.stat().st_mode & 0o777


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent's end")
class TestSupervisedByAKilledProcess:
    def test_server_ends_with_whoever_started_it(self, tmp_path: Path) -> None:
        """``kill -9`` of the starter leaves no server behind that would keep the directory busy."""
        root = Path(__file__).parents[2]
        program = (
            "import sys, time; from pathlib import Path\n"
            "from services.embedded.postgres import EmbeddedPostgres\n"
            "p = EmbeddedPostgres(Path(sys.argv[1]), durable=False); p.start()\n"
            "sys.stderr.write(f'{p.pid}\\n'); time.sleep(600)"
        )
        starter = subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path)], stderr=subprocess.PIPE, text=True, cwd=root
        )
        assert starter.stderr is not None
        server = psutil.Process(int(starter.stderr.readline()))
        os.kill(starter.pid, signal.SIGKILL)
        starter.communicate()
        psutil.wait_procs([server], timeout=20)

        assert not server.is_running() or psutil.STATUS_ZOMBIE == server.status()
        with EmbeddedPostgres(tmp_path, durable=False) as postgres:
            assert [(1,)] == query(postgres.url, "SELECT 1")
