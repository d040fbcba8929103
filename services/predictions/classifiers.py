"""From what a caller names to an exact classifier version."""

from __future__ import annotations

from sqlalchemy.orm import Session

from services.artifacts.repository import ArtifactRepository
from services.artifacts.types import ArtifactVersion, split_ref
from services.errors import InvalidInputError, NotFoundError


def exact_classifier(session: Session, ref: str) -> str:
    """Return the ``name/version`` that a version or an alias of a classifier means now.

    Raises
    ------
    InvalidInputError
        The text is no reference.
    NotFoundError
        There is no such classifier.
    """
    artifacts = ArtifactRepository(session)
    name, wanted = split_ref(ref)
    if wanted.isascii() and wanted.isdecimal():
        number: int | None = int(wanted)
    else:
        number = artifacts.aliased("classifier", name, wanted)
    if number is None or artifacts.get("classifier", name, number) is None:
        raise NotFoundError("classifier", ref)
    return f"{name}/{number}"


def require_trained(version: ArtifactVersion) -> None:
    """Refuse a classifier that has never seen a chromosome; raises `InvalidInputError`."""
    if version.manifest.get("trained") is not True:
        raise InvalidInputError(
            f"Classifier {version.ref} is a starting point for training and cannot classify; train one from "
            "it with a classifier_training job.",
            "classifier",
        )
