"""From an archive to items: one pass over its members, memory of one pack, every problem told at once."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO

from services.datasets.assigning import split_items
from services.datasets.errors import Findings, InvalidDatasetError
from services.datasets.layouts import (
    MANIFEST,
    FileLabel,
    is_manifest,
    labels_by_folder,
    labels_of_manifest,
)
from services.datasets.packing import CropPacker
from services.datasets.patterns import GroupPattern, parse_group_pattern
from services.datasets.types import MAX_ITEMS, ImportRequest, NewItem, PackedCrop, SplitFractions
from services.errors import InvalidInputError
from services.images.archives import ZipMember, unzip_members
from services.images.crop_files import LIMITS, read_crop_picture
from services.images.errors import UploadRejectedError, shown
from services.images.formats import sniff
from services.images.limits import Limits
from services.storage.base import ObjectStore

# A few members besides the pictures: the manifest, a notice, a readme.
_SPARE_MEMBERS = 100
_PICTURE_EXTENSIONS = (".png", ".tif", ".tiff", ".jpg", ".jpeg")
UNKNOWN_GROUPS = (
    "{count} picture(s) have no group, so that each counts as its own: whether a slide lies in two splits "
    "could not be checked. Put them in a folder per slide below the class, or give group_pattern, for "
    "example {{group}}_*."
)


@dataclass(frozen=True)
class Prepared:
    """Items whose pixels are stored, and what is worth knowing of them.

    Attributes
    ----------
    without_group
        How many items nobody gave a group: slides were not checked for them.
    fractions
        How an archive without splits was split.
    """

    items: Sequence[NewItem]
    warnings: Sequence[str] = ()
    without_group: int = 0
    fractions: SplitFractions | None = None


def import_archive(
    stream: BinaryIO, request: ImportRequest, store: ObjectStore, max_zip_bytes: int
) -> Prepared:
    """Read a ZIP of pictures with their labels, and store the pictures in packs.

    Parameters
    ----------
    stream
        Seekable; a ZIP with folders or a manifest.csv.
    max_zip_bytes
        What all members may unpack to together.

    Raises
    ------
    InvalidDatasetError
        With the list of everything that is wrong.
    InvalidInputError, UploadRejectedError
        The request contradicts itself, or the archive as a whole cannot be read.
    """
    pattern = None if request.group_pattern is None else parse_group_pattern(request.group_pattern)
    if sniff(stream) != "zip":
        raise InvalidInputError("Send the pictures packed as one ZIP in the field 'file'.", "file")
    limits = replace(LIMITS, max_zip_members=MAX_ITEMS + _SPARE_MEMBERS, max_zip_total_bytes=max_zip_bytes)
    findings = Findings()
    reading = _Reading(CropPacker(store), findings)
    for member in unzip_members(stream, limits):
        reading.take(member, limits)
    labels = _labels(reading, pattern, findings)
    _check_splits(labels, request, findings)
    crops = [] if findings else reading.packer.finish()
    _check_crops(crops, labels, findings)
    if findings:
        raise InvalidDatasetError(findings)
    items = [_item(crop, labels[crop.name]) for crop in crops]
    fractions = None if items[0].split else request.fractions or SplitFractions()
    if fractions is not None:
        items = split_items(items, fractions)
    lonely = sum(not labels[crop.name].group for crop in crops)
    return Prepared(items, [UNKNOWN_GROUPS.format(count=lonely)] if lonely else [], lonely, fractions)


class _Reading:
    """The one pass: pictures go to the packer as long as nothing is wrong."""

    def __init__(self, packer: CropPacker, findings: Findings) -> None:
        self.packer = packer
        self.names: list[str] = []
        self.manifest: tuple[str, bytes] | None = None
        self._findings = findings

    def take(self, member: ZipMember, limits: Limits) -> None:
        """Read one member of the archive."""
        name = member.name
        if member.stream is None:
            self._findings.add(shown(name), str(member.error))
        elif is_manifest(name):
            if self.manifest is not None:
                self._findings.add(shown(name), f"is a second {MANIFEST}; keep one.")
            member.stream.seek(0, os.SEEK_SET)
            self.manifest = (name, member.stream.read())
        elif not _is_note(name):
            self._take_picture(name, member.stream, limits)

    def _take_picture(self, name: str, stream: BinaryIO, limits: Limits) -> None:
        self.names.append(name)
        try:
            picture = read_crop_picture(stream, name, limits)
        except UploadRejectedError as error:
            self._findings.add(shown(name), str(error))
            return
        if len(self.names) > MAX_ITEMS:
            if len(self.names) == MAX_ITEMS + 1:
                self._findings.add("file", f"The archive has more than {MAX_ITEMS} pictures. Split it.")
        elif not self._findings:
            self.packer.add(name, picture)


def _is_note(name: str) -> bool:
    """A readme or notice beside the folders; whatever lies deeper has to be a picture."""
    return name.count("/") <= 1 and not name.lower().endswith(_PICTURE_EXTENSIONS)


def _labels(reading: _Reading, pattern: GroupPattern | None, findings: Findings) -> dict[str, FileLabel]:
    """What the manifest says, or where there is none the folders."""
    if reading.manifest is None:
        return labels_by_folder(reading.names, pattern, findings)
    if pattern is not None:
        raise InvalidInputError(f"{MANIFEST} says the groups; leave group_pattern out.", "group_pattern")
    return labels_of_manifest(*reading.manifest, reading.names, findings)


def _check_crops(crops: Sequence[PackedCrop], labels: Mapping[str, FileLabel], findings: Findings) -> None:
    """There are pictures, and those with a label have colours."""
    for crop in crops:
        if crop.grey and labels[crop.name].item_class != "unlabelled":
            findings.add(
                shown(crop.name), "is grey: a labelled crop needs red, green and DAPI as its three colours."
            )
    if not crops and not findings:
        findings.add("file", "The archive holds no picture.")


def _check_splits(labels: Mapping[str, FileLabel], request: ImportRequest, findings: Findings) -> None:
    """All pictures say their split, or none does and the request's fractions decide."""
    without = [name for name, label in labels.items() if not label.split]
    if without and len(without) < len(labels):
        for name in without:
            findings.add(shown(name), "has no split, but others have; give all of them one, or none.")
    if labels and not without and request.fractions is not None:
        raise InvalidInputError(
            "The archive says the splits; leave val_fraction, test_fraction and seed out.", "val_fraction"
        )


def _item(crop: PackedCrop, label: FileLabel) -> NewItem:
    return NewItem(
        name=crop.name,
        item_class=label.item_class,
        split=label.split,
        group=label.group or f"alone-{crop.sha256[:16]}",
        chromosome=label.chromosome or crop.dapi_key,
        sha256=crop.sha256,
        crop=crop,
    )
