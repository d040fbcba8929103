"""From files and tables to a data set version, with nothing but the client.

Every step asks first what the service has, so an interrupted run continues where it stopped, and a
second run changes nothing and ends with the same version.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.development_set.tables import Metaphase, Slide, Verdict, View
from client.errors import ClientError
from client.http import Client
from client.records import Job

ANNOTATOR = "ADIR tables"
VERDICTS_PER_REQUEST = 1000
LICENCE = "ADIR M-FISH image set #1: use, copy, modify and distribute for any purpose with its NOTICE"
DESCRIPTION = (
    "ADIR / PSI M-FISH image set #1 (2000), two fluorochromes at a time shown as red and green. Normal: "
    "painted in that view; aberration: a translocation whose junction shows in that view."
)


class BuildError(ClientError):
    """The service did not do what the next step needs."""

    code = "development_set_failed"


@dataclass(frozen=True)
class Drawn:
    """An uploaded metaphase in one view."""

    metaphase: Metaphase
    view: View


@dataclass
class Builder:
    """Builds the data set slide by slide.

    Attributes
    ----------
    client
        A connection to the service.
    name
        Of the data set.
    unlabelled
        Also upload cells that nobody outlined, find their chromosomes with the default segmenter, and
        keep every crop without a verdict as a source of DAPI.
    advance
        Called with what is being done, before each step.
    """

    client: Client
    name: str
    unlabelled: bool = False
    advance: Callable[[str], None] = lambda _: None
    _job_ids: list[str] = field(default_factory=list)

    @staticmethod
    def steps(slides: Iterable[Slide], *, unlabelled: bool) -> int:
        """How often `advance` will be called."""
        return sum(len(s.views) + 3 + (1 if unlabelled and s.undrawn else 0) for s in slides) + 1

    def build(self, slides: Sequence[Slide]) -> dict[str, Any]:
        """Upload, cut, annotate and freeze; returns the data set version as the service shows it.

        Raises
        ------
        ClientError
            The service refused something, or a job did not end well. Run again to continue.
        """
        for slide in slides:
            self._add_slide(slide)
        self.advance("freezing the data set")
        splits: dict[str, list[str]] = defaultdict(list)
        for slide in slides:
            if slide.drawn or self.unlabelled:
                splits[slide.split].append(slide.name)
        body = {
            "name": self.name,
            "job_ids": self._job_ids,
            "group_by": "slide",
            "splits": splits,
            "include_unlabelled": self.unlabelled,
            "licence": LICENCE,
            "description": DESCRIPTION,
        }
        answer: dict[str, Any] = self.client.transport.json("POST", "v1/datasets", json=body)
        return answer

    def _add_slide(self, slide: Slide) -> None:
        if slide.drawn:
            images: dict[str, Drawn] = {}
            for view in slide.views:
                self.advance(f"{slide.name}: uploading view {view.name}")
                uploaded = self._upload(slide, view, slide.drawn)
                images |= {image_id: Drawn(one, view) for image_id, one in uploaded.items()}
            self.advance(f"{slide.name}: sending masks")
            for image_id, one in images.items():
                self._put_masks(image_id, one.metaphase)
            self.advance(f"{slide.name}: cutting crops")
            job = self._job(slide, list(images), slide.drawn, masks="annotated")
            self.advance(f"{slide.name}: annotating")
            self._annotate(job, images)
        if self.unlabelled and slide.undrawn:
            self.advance(f"{slide.name}: cells without masks")
            # Their colours are not used, and one view has the DAPI that all views share.
            uploaded = self._upload(slide, slide.views[0], slide.undrawn)
            self._job(slide, list(uploaded), slide.undrawn, masks="segmenter")

    def _upload(self, slide: Slide, view: View, metaphases: Iterable[Metaphase]) -> dict[str, Metaphase]:
        """Upload metaphases as one view shows them; returns them by image id."""
        of_file = {file: one for one in metaphases for file in view.files(slide.images, one.name)}
        report = self.client.upload(
            list(of_file), self._sample(slide), channels=view.channels, slide=slide.name
        )
        by_name = {file.name: metaphase for file, metaphase in of_file.items()}
        images = {
            item.image_id: by_name[item.filename]
            for item in report.items
            if item.image_id is not None and item.filename in by_name
        }
        refused = [item for item in report.items if item.error is not None]
        if refused or {one.name for one in images.values()} != {one.name for one in of_file.values()}:
            reasons = "; ".join(f"{i.filename}: {i.error.detail}" for i in refused[:3] if i.error)
            raise BuildError(f"Not every metaphase of slide {slide.name} was stored. {reasons}")
        return images

    def _put_masks(self, image_id: str, metaphase: Metaphase) -> None:
        """Send masks, unless the newest ones of the image are the same file."""
        if metaphase.masks is None:
            return
        path, content = f"v1/images/{image_id}/masks", metaphase.masks.read_bytes()
        known = self.client.transport.send("GET", path, accepted=frozenset({404}))
        if known.content != content:
            self.client.transport.json(
                "PUT",
                path,
                params={"annotator": ANNOTATOR},
                content=content,
                headers={"Content-Type": "image/tiff"},
            )

    def _job(self, slide: Slide, image_ids: list[str], cells: Iterable[Metaphase], *, masks: str) -> Job:
        """Cut crops out of images, or find the job that did."""
        key = f"{self._sample(slide)}-{masks}-{_digest(image_ids, cells)}"
        done = (job for status in ("succeeded", "running", "queued") for job in self._jobs_of(key, status))
        job = next(done, None)
        if job is None:
            job = self.client.submit("segmentation", image_ids=image_ids, masks=masks, external_id=key)
        job = self.client.wait(job.id)
        if job.status != "succeeded":
            raise BuildError(f"Job {job.id} for slide {slide.name} ended as {job.status}: {job.error}")
        self._job_ids.append(job.id)
        return job

    def _jobs_of(self, key: str, status: str) -> list[Job]:
        return list(self.client.jobs(external_id=key, status=status))

    def _annotate(self, job: Job, images: dict[str, Drawn]) -> None:
        """Give every crop of a job the verdict of the tables that it does not have yet."""
        verdicts = {
            (image_id, chromosome.instance): chromosome.verdict(one.view.name)
            for image_id, one in images.items()
            for chromosome in one.metaphase.chromosomes
        }
        missing: list[tuple[str, Verdict]] = []
        for crop in self.client.crops(job=job.id):
            verdict = verdicts.get((crop.image_id or "", crop.label or 0))
            if verdict is not None and crop.crop_class != verdict:
                missing.append((crop.id, verdict))
        for start in range(0, len(missing), VERDICTS_PER_REQUEST):
            annotations = [
                {"crop_id": crop_id, "class": verdict, "annotator": ANNOTATOR}
                for crop_id, verdict in missing[start : start + VERDICTS_PER_REQUEST]
            ]
            self.client.transport.json("PUT", "v1/crops/annotations", json={"annotations": annotations})

    @staticmethod
    def _sample(slide: Slide) -> str:
        return f"ADIR-{slide.name}"


def _digest(image_ids: Iterable[str], cells: Iterable[Metaphase]) -> str:
    """Name a job's inputs: images, and the masks that they were cut along."""
    inputs = hashlib.sha256(" ".join(sorted(image_ids)).encode())
    for cell in cells:
        inputs.update(b"" if cell.masks is None else cell.masks.read_bytes())
    return inputs.hexdigest()[:16]
