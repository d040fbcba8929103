"""Becomes another program that dies with whoever started it; run as a script, standard library only.

``python -I -S launch.py PARENT_PID SIGNAL [--as UID:GID] -- program argument…``

Two things must happen between fork and exec. Doing them here rather than in a ``preexec_fn`` keeps
them safe in a process that has threads.

* On Linux the kernel is asked to send SIGNAL when the parent ends, even by ``kill -9``.
* With ``--as``, root's identity is dropped but its right to pass file permissions is kept: Postgres
  looks at the user id alone, and the checkout may lie below a folder that only root may enter.
"""

from __future__ import annotations

import ctypes
import os
import sys

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
    parent_pid, signal_number, *identity = arguments[:separator]
    command = arguments[separator + 1 :]
    if identity:
        uid, gid = identity[1].split(":")
        _drop_root(int(uid), int(gid))
    if sys.platform == "linux":
        _follow_parent(int(parent_pid), int(signal_number))
    os.execvp(command[0], command)  # noqa: S606 - the command comes from our own supervisor


def _follow_parent(parent_pid: int, signal_number: int) -> None:
    """Ask for SIGNAL at the parent's end; after `_drop_root`, because a change of identity clears it."""
    _checked("prctl", PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
    if os.getppid() != parent_pid:
        sys.exit(EXIT_ORPHANED)


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
