"""What the lock files hold, and what of it an image gets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).resolve().parents[1]
# The images' base, see Dockerfile.gpu.
IMAGE: Final = {
    "implementation_name": "cpython",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "python_full_version": "3.11.14",
    "python_version": "3.11",
    "sys_platform": "linux",
}
TORCH: Final = "requirements-torch.txt"
# Each image with the files that it is installed from.
IMAGES: Final = {
    "api": ("requirements-api.txt",),
    "worker-cpu": ("requirements.txt", TORCH),
    "worker-gpu": ("requirements.txt", TORCH),
}


@dataclass(frozen=True)
class Locked:
    """A package at its one version, with the SHA-256 of every file that may be installed."""

    name: str
    version: str
    sha256: tuple[str, ...]


def packages_of(filename: str) -> list[Locked]:
    """Read what an image gets of a lock file; lines for other platforms are left out."""
    text = (ROOT / filename).read_text(encoding="utf-8")
    entries = re.split(r"\n(?=[a-zA-Z])", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE))
    found = []
    for entry in entries:
        requirement = Requirement(re.split(r"\\?\n|\s\\", entry, maxsplit=1)[0].strip())
        if requirement.marker is not None and not requirement.marker.evaluate(IMAGE):
            continue
        (version,) = requirement.specifier
        hashes = tuple(re.findall(r"--hash=sha256:([0-9a-f]{64})", entry))
        found.append(Locked(canonicalize_name(requirement.name), version.version, hashes))
    return found
