"""The machine: interpreter, packages, torch and its device, room on disks, limits of processes."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import platform
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from services.doctor.findings import Finding, fail, ok, skipped, warn
from services.doctor.installation import Installation

ROOT: Final = Path(__file__).resolve().parents[2]
OLDEST_PYTHON: Final = (3, 11)
TOO_NEW_PYTHON: Final = (3, 13)
GIB: Final = 1024**3
ENOUGH_BYTES: Final = 5 * GIB
LEAST_BYTES: Final = 1 * GIB
ENOUGH_SHM_BYTES: Final = 64 * 1024**2
ENOUGH_FILES: Final = 1024
TORCH_WITHIN_S: Final = 60
GPU_DEVICES: Final = ("/dev/nvidia0", "/dev/nvidiactl")

# In a process of its own: a driver that hangs must not hang us, and this one stays without torch.
_ASK_TORCH: Final = """
import json, torch
gpu = torch.cuda.is_available()
print(json.dumps({
    "version": torch.__version__,
    "cuda": torch.version.cuda,
    "gpu": torch.cuda.get_device_name(0) if gpu else None,
    "memory": torch.cuda.get_device_properties(0).total_memory if gpu else 0,
}))
"""


def check_python(_: Installation) -> Iterator[Finding]:
    """Look at the interpreter."""
    version = sys.version_info[:2]
    seen = f"{platform.python_implementation()} {platform.python_version()} on {platform.platform()}"
    if OLDEST_PYTHON <= version < TOO_NEW_PYTHON:
        yield ok("python", f"{seen}, {os.cpu_count()} CPUs")
    else:
        yield fail("python", seen, "Use Python 3.11 or 3.12; `make setup PYTHON=python3.12` chooses one.")


def check_packages(_: Installation) -> Iterator[Finding]:
    """Compare what is installed with the lock of this image."""
    lock = ROOT / ("requirements.txt" if _installed("celery", "torch") else "requirements-api.txt")
    if not lock.exists():
        yield skipped("packages", f"{lock.name} is not here, so there is nothing to compare with")
        return
    lines = re.findall(r"^([\w.-]+)==([^\s\\;]+)( ;)?", lock.read_text(encoding="utf-8"), re.MULTILINE)
    wanted = {name: version for name, version, _ in lines}
    # What the lock has for some platforms only may be missing here.
    missing = [name for name, _, condition in lines if not condition and _version(name) is None]
    other = [name for name, version in wanted.items() if _version(name) not in (None, version)]
    if missing:
        yield fail(
            "packages",
            f"missing of {lock.name}: {_some(missing)}",
            "Run `make setup`, or build the image again.",
        )
    elif other:
        yield warn(
            "packages",
            f"another version than {lock.name} says: {_some(other)}",
            "Run `make setup`; results were measured with the locked versions.",
        )
    else:
        yield ok("packages", f"{len(wanted)} as {lock.name} says")


def check_torch(installation: Installation) -> Iterator[Finding]:
    """Compare torch and the GPUs it sees with DEVICE."""
    wanted = installation.settings.device
    if not _installed("torch"):
        yield skipped("torch", "not installed here, and the API needs none; look at the workers' image, too")
        return
    try:
        answer = subprocess.run(  # noqa: S603 - our own words
            [sys.executable, "-c", _ASK_TORCH],
            capture_output=True,
            text=True,
            timeout=TORCH_WITHIN_S,
            check=True,
        )
    except subprocess.TimeoutExpired:
        yield fail("torch", f"no answer within {TORCH_WITHIN_S} s", "Look at the GPU's driver: `nvidia-smi`.")
        return
    except subprocess.CalledProcessError as error:
        reason = (error.stderr.strip().splitlines() or ["no reason given"])[-1]
        yield fail("torch", f"cannot be imported: {reason}", "Run `make setup`, or build the image again.")
        return
    yield _judge_torch(json.loads(answer.stdout), wanted)


def _judge_torch(found: dict[str, str | int | None], wanted: str) -> Finding:
    build = f"torch {found['version']} ({'CUDA ' + str(found['cuda']) if found['cuda'] else 'CPU build'})"
    if found["gpu"]:
        return ok(
            "torch",
            f"{build}, {found['gpu']} with {int(found['memory'] or 0) / GIB:.0f} GiB, DEVICE={wanted}",
        )
    if wanted == "cuda":
        return fail(
            "torch",
            f"{build} finds no GPU, and DEVICE is cuda",
            "Check the driver (`nvidia-smi`) and the container's access to it, install the CUDA build with "
            "`make setup TORCH=cuda`, or set DEVICE=auto.",
        )
    if not found["cuda"] and any(Path(device).exists() for device in GPU_DEVICES):
        return warn(
            "torch", f"{build}, but there is a GPU", "`make setup TORCH=cuda` makes jobs much faster."
        )
    return ok("torch", f"{build}, no GPU, DEVICE={wanted}")


def check_disk(installation: Installation) -> Iterator[Finding]:
    """Look at the folders that are written to: whether we may, and whether there is room."""
    folders = {"data folder": installation.settings.data_dir, "temporary folder": Path(tempfile.gettempdir())}
    store = urlsplit(installation.settings.store_url)
    if store.scheme == "file":
        folders["object folder"] = Path(unquote(store.path))
    for name, folder in folders.items():
        yield _judge_folder(name, _existing(folder.resolve()))


def _judge_folder(name: str, folder: Path) -> Finding:
    try:
        # Asking for permission is not enough: a read-only file system, or a full one, grants it.
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor-") as file:
            file.write(b"x" * 4096)
            file.flush()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return fail(
            name,
            f"{folder} cannot be written to ({error.strerror})",
            f"Make room, or give the account with number {os.geteuid()} the folder.",
        )
    seen = f"{folder} has {free / GIB:.1f} GiB free"
    if free < LEAST_BYTES:
        return fail(name, seen, "Make room now: uploads and jobs are about to fail.")
    if free < ENOUGH_BYTES:
        return warn(name, seen, "Make room, or move it to a larger disk, before it is full.")
    return ok(name, seen)


def check_limits(_: Installation) -> Iterator[Finding]:
    """Look at limits that a container often sets too low."""
    files, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= files < ENOUGH_FILES:
        yield warn(
            "open files", f"at most {files}", f"Allow {ENOUGH_FILES} or more (`ulimit -n`, LimitNOFILE)."
        )
    else:
        yield ok("open files", f"at most {files}")
    shared = Path("/dev/shm")  # noqa: S108 - its size is read, nothing is put there
    if not shared.is_dir():
        yield skipped("shared memory", f"there is no {shared} here")
        return
    size = shutil.disk_usage(shared).total
    seen = f"{shared} has {size // 1024**2} MiB"
    if size < ENOUGH_SHM_BYTES:
        yield warn("shared memory", seen, "Give the container more (shm_size).")
    else:
        yield ok("shared memory", seen)


def check_numba(_: Installation) -> Iterator[Finding]:
    """Look at where compiled code is kept, without which every start compiles it again."""
    if not _installed("numba"):
        yield skipped("numba", "not installed here")
        return
    folder = Path(os.environ.get("NUMBA_CACHE_DIR") or ROOT / "models" / "manifold")
    found = _judge_folder("numba", _existing(folder.resolve()))
    if found.status == "fail":
        yield warn("numba", found.detail, "Set NUMBA_CACHE_DIR to a folder that can be written to.")
    else:
        yield ok("numba", f"compiled code is kept in {folder}")


def _existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that exists: that is where it would be made."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def _installed(*names: str) -> bool:
    return all(importlib.util.find_spec(name) is not None for name in names)


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _some(names: list[str]) -> str:
    shown = ", ".join(sorted(names)[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"  # noqa: PLR2004 - as just sliced
