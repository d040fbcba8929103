"""What an archive says of its pictures: by the folders they lie in, or in a manifest.csv."""

from __future__ import annotations

import csv
import io
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from services.datasets.errors import Findings
from services.datasets.patterns import GroupPattern
from services.datasets.types import ITEM_CLASSES, MAX_ITEMS, MAX_KEY_CHARACTERS, SPLITS
from services.images.errors import shown

MANIFEST = "manifest.csv"
MANIFEST_COLUMNS = ("file", "class", "split", "group", "chromosome")
_REQUIRED = ("file", "class", "group")
_MAX_HEAD_CHARACTERS = 1000
_FOLDERS = "{train,val,test}/{normal,aberration,unlabelled}/<group>/<picture>"


@dataclass(frozen=True)
class FileLabel:
    """What is said of one picture; empty text where nothing is."""

    item_class: str
    split: str
    group: str
    chromosome: str


def is_manifest(name: str) -> bool:
    """Whether a member is the manifest: at the top, or in the one folder that holds everything."""
    return posixpath.basename(name) == MANIFEST and name.count("/") <= 1


def labels_by_folder(
    names: Sequence[str], pattern: GroupPattern | None, findings: Findings
) -> dict[str, FileLabel]:
    """Read labels off the folders.

    Parameters
    ----------
    names
        Of every picture. One folder around everything is passed over.
    pattern
        Finds the group in a file's name; without it the folder below the class is the group.
    findings
        Takes every name that says too little.
    """
    root = _common_root(names)
    labels = {}
    for name in names:
        parts = name.removeprefix(root).split("/")
        split = parts.pop(0).lower() if len(parts) > 1 and parts[0].lower() in SPLITS else ""
        item_class = parts.pop(0).lower() if len(parts) > 1 else ""
        if item_class not in ITEM_CLASSES:
            findings.add(shown(name), f"lies in no folder that says its class; expected {_FOLDERS}.")
            continue
        group = parts[0] if len(parts) > 1 else ""
        if pattern is not None:
            group = pattern.find(posixpath.splitext(parts[-1])[0])
            if not group:
                findings.add(shown(name), f"does not match group_pattern {pattern.text!r}.")
                continue
        if _fits(name, group, "group", findings):
            labels[name] = FileLabel(item_class, split, group, "")
    return labels


def labels_of_manifest(
    manifest_name: str, content: bytes, names: Sequence[str], findings: Findings
) -> dict[str, FileLabel]:
    """Read labels from a manifest.csv with the columns file, class, group and perhaps split, chromosome.

    Parameters
    ----------
    manifest_name
        As in the archive: files are named relative to its folder.
    content
        UTF-8; commas or semicolons separate the columns.
    names
        Of every picture in the archive; each needs one row.
    findings
        Takes rows that are wrong, files without a row and rows without a file.
    """
    root = manifest_name.removesuffix(MANIFEST)
    known = set(names)
    labels: dict[str, FileLabel] = {}
    for line, row in _rows(content, findings):
        where = f"{MANIFEST} line {line}"
        name = root + row["file"].removeprefix("./")
        if name not in known:
            findings.add(where, f"names {shown(row['file'])!r}, which is not in the archive.")
        elif name in labels:
            findings.add(where, f"names {shown(row['file'])!r} a second time.")
        elif _is_valid(where, row, findings):
            labels[name] = FileLabel(row["class"], row["split"], row["group"], row["chromosome"])
            continue
        known.discard(name)  # told once; it is not missing a row as well
    for name in names:
        if name in known and name not in labels:
            findings.add(shown(name), f"has no row in {MANIFEST}.")
    return labels


def _common_root(names: Sequence[str]) -> str:
    """The folder that an archiver put around everything, or nothing."""
    tops = {name.partition("/")[0] for name in names}
    top = tops.pop() if len(tops) == 1 else ""
    return f"{top}/" if top and top.lower() not in (*SPLITS, *ITEM_CLASSES) else ""


def _rows(content: bytes, findings: Findings) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yield every row with its line number and all five columns, stripped."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        findings.add(MANIFEST, "is not UTF-8 text; save it as CSV UTF-8.")
        return
    head = text.partition("\n")[0]
    if len(head) > _MAX_HEAD_CHARACTERS:
        findings.add(MANIFEST, f"has no short first line; start it with {', '.join(MANIFEST_COLUMNS)}.")
        return
    reader = csv.DictReader(
        io.StringIO(text, newline=""), delimiter=";" if ";" in head and "," not in head else ","
    )
    try:
        columns = [column.strip() for column in reader.fieldnames or ()]
        absent = [column for column in _REQUIRED if column not in columns]
        unknown = [column for column in columns if column not in MANIFEST_COLUMNS]
        if absent or unknown or len(set(columns)) < len(columns):
            told = shown(", ".join(columns)) or "none"
            findings.add(
                MANIFEST, f"has the columns {told}; give {', '.join(MANIFEST_COLUMNS)}, each once, no others."
            )
            return
        reader.fieldnames = columns
        for number, row in enumerate(reader):
            if number == MAX_ITEMS:
                findings.add(MANIFEST, f"has more than {MAX_ITEMS} rows. Split the archive.")
                return
            if None in row:
                findings.add(f"{MANIFEST} line {reader.line_num}", "has more values than columns.")
                continue
            yield reader.line_num, {column: (row.get(column) or "").strip() for column in MANIFEST_COLUMNS}
    except csv.Error as error:
        findings.add(f"{MANIFEST} line {reader.line_num}", f"is no CSV: {error}.")


def _is_valid(where: str, row: Mapping[str, str], findings: Findings) -> bool:
    if row["class"] not in ITEM_CLASSES:
        findings.add(where, f"has class {shown(row['class'])!r}; use one of {', '.join(ITEM_CLASSES)}.")
        return False
    if row["split"] and row["split"] not in SPLITS:
        findings.add(where, f"has split {shown(row['split'])!r}; use one of {', '.join(SPLITS)}, or none.")
        return False
    return all(_fits(where, row[column], column, findings) for column in ("group", "chromosome"))


def _fits(where: str, value: str, column: str, findings: Findings) -> bool:
    if value.isprintable() and len(value) <= MAX_KEY_CHARACTERS:
        return True
    findings.add(
        shown(where), f"has a {column} with unprintable or more than {MAX_KEY_CHARACTERS} characters."
    )
    return False
