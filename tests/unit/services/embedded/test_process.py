from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from services.embedded import process
from services.embedded.errors import tail
from services.embedded.launch import EXIT_ORPHANED
from services.embedded.process import LAUNCHER, Command, ManagedProcess

PYTHON = (sys.executable, "-I", "-S", "-c")


def managed(tmp_path: Path, code: str, *arguments: str) -> ManagedProcess:
    return ManagedProcess(Command("test", (*PYTHON, code, *arguments), tmp_path / "logs" / "test.log"))


class TestManagedProcess:
    def test_writes_both_streams_to_its_log(self, tmp_path: Path) -> None:
        """What a process says, and why it fails, is in one place."""
        child = managed(tmp_path, "import sys; print('out', flush=True); sys.exit('err')")

        assert 1 == child.wait(10)
        assert "out\nerr" == tail(tmp_path / "logs" / "test.log")

    def test_has_nothing_to_read_from(self, tmp_path: Path) -> None:
        """A child never takes the terminal's keys."""
        child = managed(tmp_path, "import sys; sys.exit(len(sys.stdin.read()))")

        assert 0 == child.wait(10)

    def test_kills_what_does_not_listen(self, tmp_path: Path) -> None:
        """Ignoring the polite signal delays the end, but does not prevent it."""
        ready = tmp_path / "ready"
        os.mkfifo(ready)
        child = managed(
            tmp_path,
            "import signal, sys; signal.signal(15, signal.SIG_IGN); open(sys.argv[1], 'w'); signal.pause()",
            str(ready),
        )
        ready.read_text(encoding="utf-8")
        child.stop(0.05)

        assert -signal.SIGKILL == child.poll()

    def test_takes_its_own_children_along(self, tmp_path: Path) -> None:
        """Nothing that a process started outlives `stop`."""
        pid_file = tmp_path / "pid"
        os.mkfifo(pid_file)
        child = managed(
            tmp_path,
            "import os, signal, sys; pid = os.fork(); "
            "pid and open(sys.argv[1], 'w').write(str(pid)); signal.pause()",
            str(pid_file),
        )
        grandchild = psutil.Process(int(pid_file.read_text(encoding="utf-8")))
        child.stop(1.0)
        psutil.wait_procs([grandchild], timeout=5)

        assert not grandchild.is_running() or psutil.STATUS_ZOMBIE == grandchild.status()

    def test_a_large_log_is_set_aside(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Logs do not grow without end over many starts."""
        monkeypatch.setattr(process, "MAX_LOG_BYTES", 3)
        log = tmp_path / "logs" / "test.log"
        log.parent.mkdir()
        log.write_text("earlier\n", encoding="utf-8")
        managed(tmp_path, "print('new')").wait(10)

        assert "earlier\n" == log.with_suffix(".log.1").read_text(encoding="utf-8")
        assert "new\n" == log.read_text(encoding="utf-8")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent's end")
class TestLauncher:
    def test_ends_at_once_if_its_parent_is_gone_already(self) -> None:
        """The gap between fork and the request to the kernel is closed."""
        not_our_parent = "1" if os.getpid() != 1 else "2"
        finished = subprocess.run(
            [sys.executable, "-I", "-S", str(LAUNCHER), not_our_parent, "15", "1", "--", "true"],
            check=False,
        )

        assert EXIT_ORPHANED == finished.returncode

    @pytest.mark.parametrize("ignored", ["", "signal.signal(15, signal.SIG_IGN); "])
    def test_program_dies_with_a_killed_parent(self, tmp_path: Path, ignored: str) -> None:
        """Even ``kill -9`` of whoever started it leaves nothing behind, not even what will not listen."""
        pid_file = tmp_path / "pid"
        os.mkfifo(pid_file)
        program = (
            f"import os, signal, sys; {ignored}open(sys.argv[1], 'w').write(str(os.getpid())); signal.pause()"
        )
        starter = (
            "import os, subprocess, sys; me = sys.executable; subprocess.run([me, '-I', '-S', sys.argv[1], "
            "str(os.getpid()), '15', '0.2', '--', me, '-I', '-S', '-c', sys.argv[2], sys.argv[3]])"
        )
        parent = subprocess.Popen([*PYTHON, starter, str(LAUNCHER), program, str(pid_file)])
        child = psutil.Process(int(pid_file.read_text(encoding="utf-8")))
        parent.kill()
        parent.wait()
        psutil.wait_procs([child], timeout=5)

        assert not child.is_running() or psutil.STATUS_ZOMBIE == child.status()
