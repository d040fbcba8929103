"""Which local files the service already has, so that an interrupted upload continues where it was.

An image's `sha256` is the hash of its only file. For an image of one grey file per channel it is the
hash of the JSON list of ``[channel, file's sha256, plane]`` in the order red, green, dapi; so the same
files under another channel rule are another image, and are sent.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from client.channel_rules import CHANNELS, ChannelRule, UploadUnit
from client.reading import sha256_of
from client.records import Image


class KnownImages:
    """The images that a sample already has, to be found again by their files' hashes.

    Parameters
    ----------
    rule
        The channel rule of the upload. With plane numbers nothing is ever found: a file's hash does not
        tell which of its planes were used, so the files are sent and the service decides.
    """

    def __init__(self, images: Iterable[Image], rule: ChannelRule | None) -> None:
        self._by_plane = rule is not None and any(isinstance(value, int) for value in rule.values())
        self._wanted = frozenset(rule or ())
        self._ids: dict[tuple[str, frozenset[str] | None], str] = {}
        for image in images:
            channels = frozenset(image.channels) if self._wanted else None
            self._ids.setdefault((image.sha256, channels), image.id)

    def find(self, unit: UploadUnit) -> str | None:
        """Id of the image that these files are, or None if they must be sent."""
        if self._by_plane or not self._ids:
            return None
        if not self._wanted:
            return self._ids.get((sha256_of(unit.files[0].path), None))
        by_channel = {file.channel: file for file in unit.files if file.channel is not None}
        if frozenset(by_channel) != self._wanted or len(unit.files) != len(by_channel):
            return None  # Incomplete or ambiguous: the service shall say so.
        hashes = [(c, sha256_of(by_channel[c].path)) for c in CHANNELS if c in by_channel]
        return self._ids.get((sha256_of_set(hashes), self._wanted))


def sha256_of_set(hashes: list[tuple[str, str]]) -> str:
    """The `sha256` of an image whose channels are these (channel, file's sha256), each in plane 0."""
    if len(hashes) == 1:
        return hashes[0][1]
    planes = [[channel, sha256, 0] for channel, sha256 in hashes]
    return hashlib.sha256(json.dumps(planes).encode()).hexdigest()
