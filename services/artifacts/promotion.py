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
    """Refuse to call a version ``production`` that nobody has reason to trust.

    A classifier must have been evaluated on held-out slides. A generator need not: its pictures are
    judged by the quality report of every generation job, and no sample's result depends on it. But its
    canvas and scale must be somebody's word and not a guess, because chromosomes of a wrong size look
    quite right. A filter must have been measured on held-out crops of both classes, which its classifier had
    not seen either. What learnt from simulated crops never becomes it. A study is read and not worked with,
    so it has no production version. Other aliases are free, and so are segmenters.

    Raises
    ------
    PromotionRefusedError
        The message says what is missing.
    """
    if alias != PRODUCTION:
        return
    if version.manifest.get("simulated"):
        raise PromotionRefusedError(
            f"{version.ref} learnt from simulated crops: nobody knows how good it is on real chromosomes. "
            "Train one on a data set of real crops and promote that, or give this one another alias."
        )
    if version.kind == "classifier":
        _check_classifier(version)
    elif version.kind == "generator":
        _check_generator(version)
    elif version.kind == "filter":
        _check_filter(version)
    elif version.kind == "study":
        raise PromotionRefusedError(
            f"{version.ref} is a study: a report to read, which no job works with. Promote a classifier, "
            "generator or filter, or give the study an alias of another name."
        )


def _check_classifier(version: ArtifactVersion) -> None:
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


def _check_generator(version: ArtifactVersion) -> None:
    imported = version.manifest.get("imported")
    if not version.manifest.get("preprocessing") or (imported and not imported.get("preprocessing_stated")):
        raise PromotionRefusedError(
            f"Nobody said on which canvas and at which scale {version.ref} was trained. Upload the weights "
            "again with canvas_px and scale, look at some of its pictures, and promote that version."
        )


def _check_filter(version: ArtifactVersion) -> None:
    metrics = version.manifest.get("metrics") or {}
    held_out = (metrics.get("rows") or {}).get("validation") or {}
    missing = [name for name in ("aberration", "normal") if not held_out.get(name)]
    if missing:
        raise PromotionRefusedError(
            f"Nobody has measured what {version.ref} keeps of held-out {' and '.join(missing)} crops. Fit it "
            "on a data set whose val split has crops of both classes; of a filter from another installation, "
            "import the whole download and not its filter.safetensors alone."
        )
    fit = version.manifest.get("fit") or {}
    seen = (fit.get("classifier_saw") or {}).get("val")
    if seen:
        raise PromotionRefusedError(
            f"The classifier of {version.ref} had learnt from the validation crops of {', '.join(seen[:3])}, "
            "so nobody knows what the filter keeps of new ones. Fit it with the splits that the classifier "
            "was trained with."
        )


def _was_held_out(manifest: Mapping[str, Any], split: str) -> bool:
    """Whether the manifest tells figures of a split that has slides and aberrations."""
    figures = (manifest.get("metrics") or {}).get(split) or {}
    return any(group["aberrations"] > 0 for group in figures.get("groups", ()))
