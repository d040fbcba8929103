"""Which filter a job works with, and which classifier version embeds for it, settled when it is submitted.

A filter reads the embeddings of one network only. The name of its classifier may be another one here
than where the filter was fitted, so the weights' digest decides, with whatever lies between a crop and
its embedding.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy.orm import Session

from services.artifacts.repository import ArtifactRepository
from services.artifacts.types import ArtifactVersion
from services.errors import ConflictError

# What makes an embedding besides the weights, as manifests of classifiers call it.
EMBEDDING_KEYS: Final = ("preprocessing", "test_time_flips")


class FilterClassifierMissingError(ConflictError):
    """No classifier of this installation makes the embeddings that a filter reads."""

    code = "filter_classifier_missing"
    title = "The filter's classifier is not here"


def classifier_of(session: Session, version: ArtifactVersion) -> ArtifactVersion:
    """Find the classifier version here whose embeddings a filter reads.

    Among several with the same weights that of the filter's own reference wins.

    Raises
    ------
    FilterClassifierMissingError
        There is none; the message says which one to import.
    """
    wanted = version.manifest["classifier"]
    found = [
        one
        for one in ArtifactRepository(session).with_weights("classifier", wanted["weights_sha256"])
        if one.manifest.get("trained") is True and _embeds_alike(one, wanted)
    ]
    if not found:
        raise FilterClassifierMissingError(
            f"Filter {version.ref} reads embeddings of classifier {wanted['ref']}, whose weights have the "
            f"sha256 {wanted['weights_sha256']}, and no trained classifier here has them. Import that very "
            "version first, or fit a filter on a classifier of this installation with a filter_fitting job."
        )
    return min(found, key=lambda one: one.ref != wanted["ref"])


def filter_for(session: Session, classifier: ArtifactVersion) -> ArtifactVersion | None:
    """Pick the filter that tells whether crops look like the training data of a classifier version.

    One that is called ``production`` comes first, else the newest; None if nobody fitted one.
    """
    filters = ArtifactRepository(session).filters_of(classifier.manifest["weights_sha256"])
    return next((one for one in filters if _embeds_alike(classifier, one.manifest["classifier"])), None)


def _embeds_alike(classifier: ArtifactVersion, wanted: Mapping[str, Any]) -> bool:
    """Whether a classifier with the right weights also prepares crops as the filter's does.

    A filter whose manifest does not tell leaves it to the weights.
    """
    return all(classifier.manifest.get(key) == wanted[key] for key in EMBEDDING_KEYS if key in wanted)
