"""What is fuzzed: for each format the code of the service that reads it, from bytes to codes of outcomes."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from types import MappingProxyType

from api.errors import status_of
from benchmarks.fuzz import seeds
from benchmarks.fuzz.limits import LIMITS
from benchmarks.fuzz.target import ACCEPTED, Target
from services.datasets import checks
from services.datasets.errors import Findings, InvalidDatasetError
from services.datasets.importing import import_archive
from services.datasets.layouts import labels_of_manifest
from services.datasets.types import Description, ImportRequest
from services.errors import KaryobridgeError
from services.images.channels import ChannelRule, parse_channel_rule
from services.images.decoding import decode
from services.images.formats import inspect_source
from services.images.grouping import group_files
from services.images.layout import plan_layout
from services.images.mask_exports import read_masks
from services.images.source import SourceInfo
from services.storage.base import ObjectStore
from services.storage.factory import open_store
from services.uploads.staging import staged
from services.uploads.types import UploadedFile

_RULE_FILES = ("m_D.tif", "m_O.tif", "m_G.tif", "s/x_D.tif", "other.png")


def code_of(error: KaryobridgeError) -> str:
    """Return the code of an error that is the client's fault; raises any other again."""
    if status_of(error) >= 500:
        raise error
    return error.code


def _picture(name: str) -> Callable[[bytes], Sequence[str]]:
    """From one file to the channels of an image, as an upload and a job would go."""

    def run(data: bytes) -> Sequence[str]:
        return list(_images({name: data}, None))

    return run


def _images(files: Mapping[str, bytes], rule: ChannelRule | None) -> Iterator[str]:
    for group in group_files(files, rule):
        try:
            infos = {name: inspect_source(io.BytesIO(files[name]), name, LIMITS) for name in group.files}
            layout = plan_layout(group, infos, rule)
            decode({name: files[name] for name in group.files}, layout, LIMITS)
            yield ACCEPTED
        except KaryobridgeError as error:
            yield code_of(error)


def _archive(data: bytes) -> Sequence[str]:
    """An archive of pictures, member by member."""
    codes: list[str] = []
    with staged([UploadedFile("upload.zip", io.BytesIO(data))], LIMITS) as pieces:
        codes += [code_of(piece.error) for piece in pieces if piece.error is not None]
        found = {piece.filename: piece.path.read_bytes() for piece in pieces if piece.path is not None}
    return codes + list(_images(found, None))


def _dataset(data: bytes) -> Sequence[str]:
    """An archive of labelled pictures, up to the rows that it would become."""
    request = ImportRequest(Description("fuzzed"))
    try:
        items = import_archive(io.BytesIO(data), request, _store(), LIMITS.max_zip_total_bytes).items
        checks.check_labels(items)
        checks.check_leakage(items)
        checks.warnings_of(items)
        checks.content_sha256(items)
    except KaryobridgeError as error:
        return [code_of(error)]
    return [ACCEPTED]


@cache
def _store() -> ObjectStore:
    return open_store("memory:///")


def _manifest(data: bytes) -> Sequence[str]:
    names = [line.partition(b",")[0].decode() for line in seeds.manifest_seeds()[0].splitlines()[1:]]
    findings = Findings()
    labels_of_manifest("manifest.csv", data, names, findings)
    return [code_of(InvalidDatasetError(findings))] if findings else [ACCEPTED]


def _masks(data: bytes) -> Sequence[str]:
    try:
        read_masks(data, (seeds.HEIGHT, seeds.WIDTH), LIMITS)
    except KaryobridgeError as error:
        return [code_of(error)]
    return [ACCEPTED]


def _rule(data: bytes) -> Sequence[str]:
    """A channel rule, and what it makes of some files."""
    try:
        rule = parse_channel_rule(data.decode("utf-8", "replace"))
    except KaryobridgeError as error:
        return [code_of(error)]
    info = SourceInfo("tiff", 8, 8, 3, False, (0, 1, 2), False, (None,) * 3, "uint8", None)
    codes = [ACCEPTED]
    for group in group_files(_RULE_FILES, rule):
        try:
            plan_layout(group, dict.fromkeys(group.files, info), rule)
        except KaryobridgeError as error:
            codes.append(code_of(error))
    return codes


TARGETS: Mapping[str, Target] = MappingProxyType(
    {
        "tiff": Target(seeds.tiff_seeds, _picture("upload.tif")),
        "png": Target(seeds.png_seeds, _picture("upload.png")),
        "jpeg": Target(seeds.jpeg_seeds, _picture("upload.jpg")),
        "zip": Target(seeds.zip_seeds, _archive),
        "dataset": Target(seeds.dataset_seeds, _dataset),
        "manifest": Target(seeds.manifest_seeds, _manifest),
        "masks": Target(seeds.mask_seeds, _masks),
        "channels": Target(seeds.rule_seeds, _rule),
    }
)
