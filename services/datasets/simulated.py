"""Simulated data sets: what they are made of, and that they stay apart from real crops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Text, any_, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from models.simulation.difficulty import PRESETS, Difficulty, DifficultyError
from services.datasets.errors import Findings, InvalidDatasetError
from services.datasets.types import NewItem
from services.db.tables import CropRow, DatasetItemRow
from services.errors import InvalidInputError
from services.images.errors import shown

SIMULATED = "simulated"
"""The origin of simulated crops, and the entry of manifests that says what was learnt from them."""


def check_difficulty(preset: str, knobs: Mapping[str, Any]) -> Difficulty:
    """Return a preset with some knobs turned; raises `InvalidInputError` for what cannot be simulated."""
    try:
        return Difficulty.from_json(PRESETS[preset].to_json() | dict(knobs))
    except DifficultyError as error:
        raise InvalidInputError(str(error), "difficulty") from error


def refuse_mixed(origin_of: Mapping[str, str]) -> bool:
    """Tell whether crops are simulated, by their ids' origins.

    Raises
    ------
    InvalidDatasetError
        Some are, and others are real.
    """
    made = [crop_id for crop_id, origin in origin_of.items() if origin == SIMULATED]
    if made and len(made) < len(origin_of):
        findings = Findings()
        for crop_id in made:
            findings.add(crop_id, "is simulated, and others are real; a data set holds one or the other.")
        raise InvalidDatasetError(findings, "Freeze simulated crops in a data set of their own.")
    return bool(made)


def refuse_known(session: Session, items: Sequence[NewItem]) -> None:
    """Refuse pictures that were simulated here: an import would make real crops of them.

    Raises
    ------
    InvalidDatasetError
        With the pictures.
    """
    item = DatasetItemRow
    hashes = literal(sorted({one.sha256 for one in items}), ARRAY(Text))
    query = (
        select(item.sha256)
        .join(CropRow, CropRow.id == item.crop_id)
        .where(CropRow.origin == SIMULATED, item.sha256 == any_(hashes))
    )
    known = set(session.scalars(query))
    findings = Findings()
    for one in items:
        if one.sha256 in known:
            findings.add(shown(one.name), "was simulated here; imported, it would count as real.")
    if findings:
        raise InvalidDatasetError(findings, "Leave it out, or work with the simulated data set itself.")
