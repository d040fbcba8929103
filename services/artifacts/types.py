"""What an artifact is: a kind, a name, integer versions that only grow, aliases that move.

A study is one as well: nobody works with it, but its report is as immutable and as easy to find again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from services.errors import InvalidInputError

ArtifactKind = Literal["segmenter", "classifier", "generator", "filter", "study"]
ARTIFACT_KINDS: tuple[str, ...] = get_args(ArtifactKind)
UPLOADED_KINDS: tuple[str, ...] = ("segmenter", "classifier", "generator", "filter")
"""Those that may come from elsewhere: what a study found can be told only by whoever ran it."""

PRODUCTION = "production"
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")


@dataclass(frozen=True)
class StoredFile:
    """One file of a version: where its bytes lie, and what they must hash to."""

    key: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class ArtifactVersion:
    """An immutable version with its readable manifest and its files."""

    kind: str
    name: str
    version: int
    manifest: Mapping[str, Any]
    files: Mapping[str, StoredFile]
    sha256: str
    size_bytes: int
    job_id: str | None
    created_at: datetime

    @property
    def ref(self) -> str:
        """``name/version``, as jobs record it."""
        return f"{self.name}/{self.version}"


@dataclass(frozen=True)
class ArtifactAlias:
    """A movable pointer to one version."""

    alias: str
    version: int
    updated_at: datetime


def check_kind(kind: str) -> str:
    """Return the kind, or raise `InvalidInputError` that lists the known ones."""
    if kind not in ARTIFACT_KINDS:
        raise InvalidInputError(
            f"{kind!r} is no kind of artifact; use one of {', '.join(ARTIFACT_KINDS)}.", "kind"
        )
    return kind


def check_uploaded(kind: str) -> str:
    """Return a kind that may be uploaded, or raise `InvalidInputError` that says why it may not."""
    if check_kind(kind) not in UPLOADED_KINDS:
        raise InvalidInputError(
            f"A {kind} cannot be uploaded: its figures count because they were measured here. Run one with a "
            f"{kind} job.",
            "kind",
        )
    return kind


def check_name(name: str, field: str = "name") -> str:
    """Return a name or alias that is safe in URLs, or raise `InvalidInputError`."""
    if not _NAME.fullmatch(name) or (field == "alias" and name.isdecimal()):
        raise InvalidInputError(
            f"{name[:80]!r} cannot be used as {field}: use 1 to 64 of a-z 0-9 _ . - and start with a letter "
            "or digit; an alias is not a number.",
            field,
        )
    return name


def split_ref(ref: str) -> tuple[str, str]:
    """Split ``name/version`` or ``name/alias``; a bare name means its production version."""
    name, separator, version = ref.partition("/")
    return check_name(name, "artifact"), (version if separator else PRODUCTION)
