"""Which uploaded files belong to one image: one grey file per channel, grouped by name.

A file that cannot be placed becomes a group of its own that carries the reason, so that the caller
rejects that file and keeps the others.
"""

from __future__ import annotations

import posixpath
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from services.images.channels import ChannelRule
from services.images.errors import (
    AmbiguousChannelsError,
    ChannelUnmatchedError,
    DapiMissingError,
    DuplicateNameError,
    IncompleteGroupError,
    UploadRejectedError,
    shown,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True)
class FileGroup:
    """The files of one image.

    Attributes
    ----------
    name
        Name of the image: what the star of the patterns matched, or the file's own name.
    files
        Names of the files, in channel order where channels are known.
    members
        Channel to file name; empty when a single file holds all channels.
    error
        Why these files cannot be used, or None.
    """

    name: str
    files: tuple[str, ...]
    members: Mapping[str, str] = field(default_factory=dict)
    error: UploadRejectedError | None = None


def group_files(names: Iterable[str], rule: ChannelRule | None) -> list[FileGroup]:
    """Sort file names into images, in the order in which each image first appears.

    Names may contain folders, as archive members do: a pattern without a slash is matched against the
    last part, and files of different folders never share a group. The extension is compared without
    regard to case.

    Parameters
    ----------
    names
        Names of the picture files of one upload. They are labels and never opened.
    rule
        The upload's channel rule; only its patterns group files.
    """
    names = list(names)
    repeated = {name for name, count in Counter(names).items() if count > 1}
    groups: dict[str, list[tuple[str, str]]] = {}
    singles: dict[str, FileGroup] = {}
    order: dict[str, None] = {}
    for name in names:
        if name in repeated:
            singles[name] = _refused(name, DuplicateNameError(f"{shown(name)} was sent twice; rename one."))
        elif rule is None or rule.patterns is None:
            singles[name] = FileGroup(name, (name,))
        else:
            matches = _matches(name, rule.patterns)
            if len(matches) == 1:
                channel, group = matches[0]
                groups.setdefault(group, []).append((channel, name))
                order.setdefault(f"group:{group}")
                continue
            singles[name] = _refused(name, _misfit(name, matches, rule.patterns))
        order.setdefault(f"single:{name}")
    result = []
    for key in order:
        kind, _, name = key.partition(":")
        if kind == "single":
            result.append(singles[name])
        else:
            result.append(_assembled(name, groups[name], rule))
    return result


def _matches(name: str, patterns: Mapping[str, str]) -> list[tuple[str, str]]:
    """Every (channel, group name) that the name could stand for."""
    found = []
    folder, base = posixpath.split(name)
    for channel, pattern in patterns.items():
        subject, prefix = (name, "") if "/" in pattern else (base, f"{folder}/" if folder else "")
        middle = _star(subject, pattern)
        if middle:
            found.append((channel, prefix + middle))
    return found


def _star(subject: str, pattern: str) -> str | None:
    """What the pattern's single star matches in the subject, or None."""
    subject_stem, subject_extension = posixpath.splitext(subject)
    pattern_stem, pattern_extension = posixpath.splitext(pattern)
    if "*" not in pattern_extension:
        if subject_extension.lower() != pattern_extension.lower():
            return None
        subject, pattern = subject_stem, pattern_stem
    head, _, tail = pattern.partition("*")
    if len(subject) < len(head) + len(tail) or not subject.startswith(head) or not subject.endswith(tail):
        return None
    return subject[len(head) : len(subject) - len(tail)]


def _misfit(name: str, matches: list[tuple[str, str]], patterns: Mapping[str, str]) -> UploadRejectedError:
    if not matches:
        known = ", ".join(shown(pattern, 60) for pattern in patterns.values())
        return ChannelUnmatchedError(
            f"{shown(name)} fits none of the patterns {known}. Rename it or change them."
        )
    channels = " and ".join(channel for channel, _ in matches)
    return AmbiguousChannelsError(f"{shown(name)} fits the patterns of {channels}. Make them stricter.")


def _assembled(name: str, files: list[tuple[str, str]], rule: ChannelRule | None) -> FileGroup:
    wanted = rule.patterns if rule is not None and rule.patterns is not None else {}
    members = {channel: filename for wish in wanted for channel, filename in files if channel == wish}
    ordered = sorted(files, key=lambda item: list(wanted).index(item[0]))
    names = tuple(filename for _, filename in ordered)
    doubled = [channel for channel, count in Counter(channel for channel, _ in files).items() if count > 1]
    missing = [channel for channel in wanted if channel not in members]
    error: UploadRejectedError | None = None
    if doubled:
        error = AmbiguousChannelsError(f"{shown(name)} has two files for {doubled[0]}. Send one of them.")
    elif "dapi" in missing:
        error = DapiMissingError(f"{shown(name)} has no file that fits {shown(wanted['dapi'], 60)}.")
    elif missing:
        error = IncompleteGroupError(
            f"{shown(name)} has no file for {' and '.join(missing)}. Send all its channels in one upload."
        )
    return FileGroup(name, names, members, error)


def _refused(name: str, error: UploadRejectedError) -> FileGroup:
    return FileGroup(name, (name,), error=error)
