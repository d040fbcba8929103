"""Becomes another program that dies with whoever started it; run as a script, standard library only.

``python -I -S launch.py PARENT_PID SIGNAL GRACE_S [--as UID:GID] -- program argument…``

Two things must happen between fork and exec. Doing them here rather than in a ``preexec_fn`` keeps
them safe in a process that has threads.

* On Linux the kernel is asked to send SIGNAL when the parent ends, even by ``kill -9``. A polite
  signal may find the program waiting for something that died too; so a guard, a process of a few
  megabytes, kills it and its group if it has not ended GRACE_S later.
* With ``--as``, root's identity is dropped but its right to pass file permissions is kept: Postgres
  looks at the user id alone, and the checkout may lie below a folder that only root may enter.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
import time

PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAP_DAC_OVERRIDE = 1
LINUX_CAPABILITY_VERSION_3 = 0x20080522
EXIT_ORPHANED = 70
EXIT_DENIED = 77


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapabilityWord(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def main(arguments: list[str]) -> None:
    """Prepare this process as told and replace it by the program."""
    separator = arguments.index("--")
    parent_pid, signal_number, grace_s, *identity = arguments[:separator]
    command = arguments[separator + 1 :]
    if identity:
        uid, gid = identity[1].split(":")
        _drop_root(int(uid), int(gid))
    if sys.platform == "linux":
        _follow_parent(int(parent_pid), int(signal_number), float(grace_s))
    os.execvp(command[0], command)  # noqa: S606 - the command comes from our own supervisor


def _follow_parent(parent_pid: int, signal_number: int, grace_s: float) -> None:
    """Ask for SIGNAL at the parent's end; after `_drop_root`, because a change of identity clears it."""
    _checked("prctl", PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
    parent = os.pidfd_open(parent_pid) if os.getppid() == parent_pid else None
    if parent is None or os.getppid() != parent_pid:
        sys.exit(EXIT_ORPHANED)
    program = os.getpid()
    if os.fork() == 0:
        _guard(parent, program, grace_s)
    os.close(parent)


def _guard(parent: int, program: int, grace_s: float) -> None:
    """Wait for the parent's end and see to the program's; the guard dies with it."""
    _checked("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)  # those are for the program
    select.select([parent], [], [])
    time.sleep(grace_s)
    if os.getpgrp() == program:
        os.killpg(program, signal.SIGKILL)
    os.kill(program, signal.SIGKILL)


def _drop_root(uid: int, gid: int) -> None:
    """Become another account that may still pass file permissions, across the coming exec."""
    try:
        _checked("prctl", PR_SET_KEEPCAPS, 1, 0, 0, 0)
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
        header = _CapabilityHeader(LINUX_CAPABILITY_VERSION_3, 0)
        mask = 1 << CAP_DAC_OVERRIDE
        words = (_CapabilityWord * 2)(_CapabilityWord(mask, mask, mask), _CapabilityWord(0, 0, 0))
        _checked("capset", ctypes.byref(header), words)
        _checked("prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0)
    except OSError as error:
        sys.stderr.write(f"root cannot become user {uid}: {error}\n")
        sys.exit(EXIT_DENIED)


def _checked(function: str, *arguments: object) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if getattr(library, function)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{function}: {os.strerror(number)}")


if __name__ == "__main__":
    main(sys.argv[1:])
