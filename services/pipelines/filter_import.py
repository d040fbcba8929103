"""Filters that were fitted in another installation: its download, checked and drawn anew.

What follows from the filter itself is taken from it, not from what the manifest says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from models.filtering.files import from_bytes
from models.filtering.filter import Filter
from services.filtering.loading import FILTER_FILE
from services.jobs.params.artifact_import import ArtifactImportParams
from services.pipelines.downloads import Download, is_download, origin, unpacked
from services.pipelines.filter_claims import Claims
from services.pipelines.filter_manifest import described
from services.pipelines.filter_map import bare_map

_OTHER_FILES: Final = ("card.md", "plot.png", "map.html")


def imported_filter(
    params: ArtifactImportParams, content: bytes, about: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Read an uploaded filter, and describe and draw it.

    Parameters
    ----------
    content
        The ZIP of a download, or the filter's file alone; of the latter nobody knows how good it is.
    about
        Entries of the manifest that every import has; ``imported`` is added to.

    Returns
    -------
    manifest, files

    Raises
    ------
    FilterFileError
        The filter's file was changed, or scores its probe differently.
    InvalidInputError
        The archive holds something else, or its manifest is not that of the filter.
    UploadRejectedError
        The archive is damaged, too large, or built to do harm.
    """
    download = None
    if is_download(content, FILTER_FILE):
        download = unpacked("filter", content, FILTER_FILE, _OTHER_FILES)
    file = content if download is None else download.weights
    found = from_bytes(file)
    own = described(found, file)
    spec = found.spec
    manifest: dict[str, Any] = {
        "kind": "filter",
        **about,
        "name": params.name,
        **own,
        "classifier": {"ref": spec.classifier, "weights_sha256": spec.classifier_sha256},
    }
    if download is not None:
        manifest |= _claimed(download, found, own, manifest)
    return manifest, {FILTER_FILE: file, **bare_map(found, title=f"Filter {params.name}")}


def _claimed(
    download: Download, found: Filter, own: Mapping[str, Any], manifest: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what a manifest adds, once it is certain that it is the manifest of this filter."""
    download.require_manifest_of(own["weights_sha256"])
    for name in ("filter", "manifold", "mixture"):
        if download.told.get(name) != own[name]:
            download.refuse(f"its entry {name} is not what the filter's file says")
    claims = download.claims(Claims)
    aberrations = int(found.labels.sum())
    if (claims.fit.aberrations, claims.fit.normals) != (aberrations, len(found.labels) - aberrations):
        download.refuse("it counts other training crops than the filter has")
    added = claims.model_dump(mode="json", exclude={"name", "classifier"}, exclude_unset=True)
    return {
        **added,
        "classifier": manifest["classifier"] | claims.classifier.model_dump(exclude_none=True),
        **origin(manifest, claims),
    }
