"""Verdicts in a table: the CSV of an export, with its column `class` filled in by a person."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import get_args

from client.errors import LocalFileError
from client.records import CropClass

ID_COLUMN = "crop_id"
CLASS_COLUMN = "class"


def read_verdicts(file: Path) -> list[tuple[str, str]]:
    """Read (crop id, class) of every row whose class is not empty.

    Raises
    ------
    LocalFileError
        The file cannot be read, lacks a column, names a crop twice or a class that there is not.
    """
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            return _verdicts(file, csv.DictReader(stream))
    except OSError as error:
        raise LocalFileError(file, error.strerror or "cannot be read") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise LocalFileError(file, f"this is no CSV in UTF-8 ({error}).") from error


def _verdicts(file: Path, rows: csv.DictReader[str]) -> list[tuple[str, str]]:
    missing = {ID_COLUMN, CLASS_COLUMN} - set(rows.fieldnames or ())
    if missing:
        raise LocalFileError(file, f"the column {' and '.join(sorted(missing))} is missing.")
    verdicts: dict[str, str] = {}
    for row in rows:
        crop_id, verdict = (row[ID_COLUMN] or "").strip(), (row[CLASS_COLUMN] or "").strip()
        if not verdict:
            continue
        where = f"line {rows.line_num}"
        if verdict not in get_args(CropClass):
            known = ", ".join(get_args(CropClass))
            raise LocalFileError(file, f"{where}: {verdict!r} is no class; known are {known}.")
        if not crop_id or crop_id in verdicts:
            reason = "the crop's id is missing" if not crop_id else f"crop {crop_id} stands here twice"
            raise LocalFileError(file, f"{where}: {reason}.")
        verdicts[crop_id] = verdict
    return list(verdicts.items())
