"""``python -m benchmarks.fuzz.executor MODULE TARGET``: runs inputs in a process that may die of them.

Reads inputs from standard input, each after its length, and writes one line of JSON for each: the codes of
its outcomes or what escaped, the seconds of processor time that it took, how far the process's memory rose,
and what it left behind in ``TMPDIR``, which must be empty at first.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import resource
import struct
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path
from typing import Any, BinaryIO

LENGTH = struct.Struct("<I")
# Above what the bound on growth allows: whoever reaches it is stopped and not only told.
_HEADROOM_BYTES = 2 * 1024**3


def main() -> None:
    """Serve inputs until standard input ends."""
    module, name = sys.argv[1:]
    target = importlib.import_module(module).TARGETS[name]
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    target.run(target.seeds()[0])  # imports and caches are nobody's fault
    _limit_memory()
    answers = sys.stdout
    sys.stdout = sys.stderr
    folder = Path(tempfile.gettempdir())
    # Importing takes more than what stays: the peak counts from what the process has now.
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    baseline = _peak_bytes()
    print(json.dumps({"baseline_bytes": baseline}), file=answers, flush=True)
    while (data := _next(sys.stdin.buffer)) is not None:
        print(json.dumps(_run(target, data, baseline, folder)), file=answers, flush=True)


def _run(target: Any, data: bytes, baseline: int, folder: Path) -> dict[str, Any]:
    descriptors = _descriptors()
    started = time.process_time()
    escaped = ""
    codes: list[str] = []
    try:
        codes = list(target.run(data))
    except Exception as error:  # noqa: BLE001 - whatever escapes is what this process is here to tell
        escaped = "".join(traceback.format_exception_only(error)) + _place(error)
    seconds = time.process_time() - started
    left = sorted(os.listdir(folder))  # noqa: PTH208 - names alone
    if _descriptors() > descriptors:
        left.append("open file descriptors")
    return {
        "codes": codes,
        "escaped": escaped,
        "seconds": seconds,
        "growth_bytes": _peak_bytes() - baseline,
        "left": left,
    }


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    return " <- ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames))


def _next(stream: BinaryIO) -> bytes | None:
    head = stream.read(LENGTH.size)
    return stream.read(LENGTH.unpack(head)[0]) if len(head) == LENGTH.size else None


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    limit = pages * resource.getpagesize() + _HEADROOM_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _peak_bytes() -> int:
    # Not from getrusage, whose peak begins with that of the process that started this one.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a count


if __name__ == "__main__":
    main()
