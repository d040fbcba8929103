"""Segmenters, classifiers, generators, filters and studies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from client.answers import get, list_all, record_of
from client.archives import save_archive
from client.direct import is_elsewhere
from client.downloads import download
from client.errors import ConnectionFailedError, ProblemError, UnexpectedAnswerError
from client.records import Artifact, ArtifactVersion, Job, Link, Links
from client.sending import send_file
from client.transport import Transport


class ArtifactOperations:
    """Artifacts, their versions and aliases."""

    transport: Transport

    def artifacts(self, kind: str | None = None) -> Iterator[ArtifactVersion]:
        """Versions of artifacts, optionally of one kind."""
        return list_all(self.transport, ArtifactVersion, "v1/artifacts", kind=kind)

    def artifact(self, kind: str, name: str) -> Artifact:
        """Versions and aliases of one artifact."""
        return get(self.transport, Artifact, f"v1/artifacts/{kind}/{name}")

    def artifact_version(self, kind: str, name: str, version: str) -> ArtifactVersion:
        """One version, by its number or an alias."""
        return get(self.transport, ArtifactVersion, f"v1/artifacts/{kind}/{name}/{version}")

    def download_artifact(self, kind: str, name: str, version: str, to: Path) -> Path:
        """Save the files of a version as one ZIP; they come from the object store where that is reached."""
        found = self.artifact_version(kind, name, version)
        # An alias may move in between: all that follows is of one version.
        path = f"v1/artifacts/{kind}/{name}/{found.version}"
        links = self._links_elsewhere(path)
        if links:
            try:
                return save_archive(self.transport, found.manifest, links, to)
            except (ConnectionFailedError, UnexpectedAnswerError):
                pass  # The service has the same bytes.
        return download(self.transport, f"{path}/content", to)

    def _links_elsewhere(self, path: str) -> tuple[Link, ...]:
        """Links to all files of a version, if all lead to the store."""
        try:
            links = get(self.transport, Links, f"{path}/links").items
        except ProblemError:
            return ()  # An older service has none, and what is wrong otherwise is told by the download.
        return links if all(is_elsewhere(link.url) for link in links) else ()

    def upload_artifact(
        self,
        kind: str,
        name: str,
        path: Path,
        *,
        diameter_px: float | None = None,
        method: str | None = None,
        canvas_px: int | None = None,
        scale: float | None = None,
        background: str | None = None,
        prediction_type: str | None = None,
        licence: str | None = None,
        description: str | None = None,
        on_progress: Callable[[int], None] | None = None,
    ) -> Job:
        """Upload weights; the job that is returned checks them and makes the next version.

        Parameters
        ----------
        path
            A safetensors file or an official checkpoint: Cellpose's for a segmenter, torchvision's
            ResNet-18 for a classifier, of which it is a starting point for a training, BBDM's or
            CycleGAN's for a generator. For a filter or a trained classifier: what `download_artifact`
            saved elsewhere.
        diameter_px
            For a segmenter: mean object diameter in the images of its training, where the file does not
            say.
        method, prediction_type
            For a generator: ``bbdm`` or ``cyclegan``, and what a Brownian Bridge predicts, where the file
            does not tell.
        canvas_px, scale, background
            For a generator: side of the pictures of its training, their pixels per image pixel, and what
            became of pixels off the mask (``zero`` or ``keep``). No file tells these.
        on_progress
            Called with the bytes sent.
        """
        told = {
            "name": name,
            "diameter_px": diameter_px,
            "method": method,
            "canvas_px": canvas_px,
            "scale": scale,
            "background": background,
            "prediction_type": prediction_type,
            "licence": licence,
            "description": description,
        }
        answer = send_file(self.transport, f"v1/artifacts/{kind}", path, told, on_progress)
        return record_of(self.transport, Job, answer)

    def set_alias(self, kind: str, name: str, alias: str, version: int) -> None:
        """Point an alias, for example ``production``, at a version."""
        self.transport.json("PUT", f"v1/artifacts/{kind}/{name}/aliases/{alias}", json={"version": version})
