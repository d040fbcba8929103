"""Which versions may become what a lab works with by default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from services.artifacts.types import PRODUCTION, ArtifactVersion
from services.errors import ConflictError

HELD_OUT_SPLITS: Final = ("test", "val")


class PromotionRefusedError(ConflictError):
    """A version that nobody has measured may not become the default of samples."""

    code = "promotion_refused"
    title = "This version may not be promoted"


def check_promotion(version: ArtifactVersion, alias: str) -> None:
    """Refuse to call a classifier ``production`` that was not evaluated on held-out slides.

    Other aliases are free, and so are other kinds of artifacts.

    Raises
    ------
    PromotionRefusedError
        The message says what is missing.
    """
    if alias != PRODUCTION or version.kind != "classifier":
        return
    if not version.manifest.get("trained"):
        raise PromotionRefusedError(
            f"{version.ref} is a starting point for training: it has not learned to tell aberrations. Train "
            "a classifier from it with a classifier_training job and promote that."
        )
    if not any(_was_held_out(version.manifest, split) for split in HELD_OUT_SPLITS):
        raise PromotionRefusedError(
            f"{version.ref} has no evaluation on held-out slides with aberrations. Train it on a data set "
            "whose val or test split has some, in slides of their own."
        )


def _was_held_out(manifest: Mapping[str, Any], split: str) -> bool:
    """Whether the manifest tells figures of a split that has slides and aberrations."""
    figures = (manifest.get("metrics") or {}).get(split) or {}
    return any(group["aberrations"] > 0 for group in figures.get("groups", ()))
