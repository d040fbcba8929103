"""Which local files belong to one metaphase, and what a shell's options say about channels.

The service decides for real; here the patterns only keep the files of one image in one request,
because an image whose channels arrive in two requests would be refused as incomplete.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

from client.errors import InvalidArgumentError, LocalFileError

CHANNELS = ("red", "green", "dapi")
IMAGE_SUFFIXES = frozenset({".tif", ".tiff", ".png", ".jpg", ".jpeg", ".zip"})

ChannelRule = Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file to send; `channel` is known when a pattern of the rule names it."""

    path: Path
    size_bytes: int
    channel: str | None = None

    @property
    def name(self) -> str:
        """The name that the service sees: never a folder of this side."""
        return self.path.name


@dataclass(frozen=True, slots=True)
class UploadUnit:
    """Files that must travel together: one metaphase, or one file that stands for itself."""

    files: tuple[LocalFile, ...]

    @property
    def size_bytes(self) -> int:
        """Sum of the files."""
        return sum(file.size_bytes for file in self.files)


def channel_rule(text: str | None, options: Mapping[str, str | None]) -> ChannelRule | None:
    """Combine a rule written as JSON with per-channel options, of which only one may be given.

    Raises
    ------
    InvalidArgumentError
        Both were given, or the JSON is no object of patterns or plane numbers.
    """
    given = {channel: value for channel, value in options.items() if value is not None}
    if text is None:
        return {c: int(v) if v.isascii() and v.isdigit() else v for c, v in given.items()} or None
    if given:
        raise InvalidArgumentError("Give either --channels or --dapi, --red and --green, not both.")
    try:
        rule = json.loads(text)
    except ValueError as error:
        raise InvalidArgumentError(f"--channels is not JSON ({error}).") from error
    if not isinstance(rule, dict) or not all(type(value) in {str, int} for value in rule.values()):
        raise InvalidArgumentError('--channels must look like {"dapi": "*D.tif"} or {"dapi": 2}.')
    return rule


@dataclass(frozen=True, slots=True)
class UploadPlan:
    """What is to be sent, and how many files of the folders fit no pattern and stay here."""

    units: tuple[UploadUnit, ...]
    unmatched_files: int


def expand(paths: Iterable[Path]) -> dict[Path, bool]:
    """Files as given, and below folders every file with an image's suffix, in a stable order.

    Returns
    -------
    dict
        Each file once, and whether it was named itself rather than found in a folder.

    Raises
    ------
    LocalFileError
        A path does not exist, or a folder holds no image.
    """
    found: dict[Path, bool] = {}
    for path in paths:
        if path.is_dir():
            inside = [entry for entry in sorted(path.rglob("*")) if _is_image(entry)]
            if not inside:
                raise LocalFileError(path, f"the folder holds no {', '.join(sorted(IMAGE_SUFFIXES))} file.")
            found = dict.fromkeys(inside, False) | found
        elif path.is_file():
            found[path] = True
        else:
            raise LocalFileError(path, "there is no such file or folder.")
    return found


def plan_upload(paths: Iterable[Path], rule: ChannelRule | None) -> UploadPlan:
    """Gather files into metaphases by the rule's patterns; the order of the first files is kept.

    A folder often holds planes that the rule leaves out (other dyes, notes as pictures). Those are not
    sent, while a file that was named itself always is, so that the service can say why it does not fit.

    Raises
    ------
    LocalFileError
        A file cannot be read.
    """
    patterns = {channel: value for channel, value in (rule or {}).items() if isinstance(value, str)}
    groups: dict[tuple[Path, str], list[LocalFile]] = {}
    unmatched = 0
    for path, named in expand(paths).items():
        channel, key = _place(path, patterns)
        if patterns and channel is None and not named and path.suffix.lower() != ".zip":
            unmatched += 1
            continue
        groups.setdefault((path.parent, key), []).append(LocalFile(path, _size(path), channel))
    return UploadPlan(tuple(UploadUnit(tuple(files)) for files in groups.values()), unmatched)


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".") and path.is_file()


def _place(path: Path, patterns: Mapping[str, str]) -> tuple[str | None, str]:
    """The channel of a file and the key that it shares with the others of its metaphase."""
    for channel, pattern in patterns.items():
        middle = _star(path.name, pattern)
        if middle:
            return channel, f"*{middle}"
    return None, path.name


def _star(name: str, pattern: str) -> str | None:
    """What the single star of a pattern stands for in a name; suffixes match in any case."""
    head, star, tail = pattern.partition("*")
    stem, suffix = PurePath(tail).stem, PurePath(tail).suffix
    if not star:
        return None
    if suffix and name.lower().endswith(suffix.lower()):
        name, tail = name[: -len(suffix)], stem
    if len(name) < len(head) + len(tail) or not name.startswith(head) or not name.endswith(tail):
        return None
    return name[len(head) : len(name) - len(tail)]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise LocalFileError(path, error.strerror or "cannot be read") from error
