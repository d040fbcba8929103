"""Each job kind's pipeline on real images, with the shipped network."""

from __future__ import annotations

import io
import uuid
from collections.abc import Sequence
from pathlib import Path

import pytest
import tifffile
import torch
from cellpose.resnet_torch import CPnet

from api.wiring import Wiring
from models.segmentation.metrics import count_matches, overlap_of
from services.artifacts.service import ArtifactService
from services.artifacts.shipped import register_shipped
from services.crops.pixels import CropReader
from services.crops.repository import CropRepository
from services.crops.types import CropFilter
from services.images.channels import ChannelRule
from services.images.repository import ImageRepository
from services.jobs.params import ArtifactImportParams, SegmentationRequest, SegmenterTrainingRequest
from services.jobs.types import Job
from services.pagination import PageRequest
from services.segmentations.repository import SegmentationRepository
from services.uploads.types import Batch, BatchRequest, UploadedFile
from tests.support.jobs import run_here

pytestmark = pytest.mark.integration

SAMPLES = Path(__file__).parents[2] / "samples"
PATTERNS = ChannelRule(patterns={"red": "*_red.tif", "green": "*_green.tif", "dapi": "*_dapi.tif"})


@pytest.fixture(scope="module", autouse=True)
def _shipped(wiring: Wiring) -> None:
    register_shipped(wiring.sessions, wiring.store)


def upload_cells(
    wiring: Wiring, names: Sequence[str], *, slide: str | None = None, sample: str = ""
) -> Batch:
    """Upload bundled metaphases under a sample of their own."""
    files = [path for name in names for path in sorted(SAMPLES.glob(f"{name}_*.tif"))]
    request = BatchRequest(sample=sample or uuid.uuid4().hex, slide=slide, channel_rule=PATTERNS)
    return wiring.uploads.receive([UploadedFile(f.name, io.BytesIO(f.read_bytes())) for f in files], request)


def segment(wiring: Wiring, batch: Batch) -> Job:
    """Segment a batch in this process."""
    job = wiring.submissions.submit(SegmentationRequest(kind="segmentation", batch_id=batch.id))
    return run_here(wiring, job.id)


class TestSegmentation:
    def test_finds_the_chromosomes_of_a_real_metaphase(self, wiring: Wiring) -> None:
        """Nine in ten of the labelled chromosomes are found, and every crop can be read back."""
        batch = upload_cells(wiring, ["A230150"])
        job = segment(wiring, batch)
        truth, overlaps = tifffile.imread(SAMPLES / "masks" / "A230150.tif")
        found = tifffile.imread(io.BytesIO(wiring.pictures.masks_tiff(batch.image_ids[0])))
        counts = count_matches(overlap_of(truth, found, overlaps > 0), iou_threshold=0.5)
        with wiring.readers() as session:
            crops = CropRepository(session).list_page(CropFilter(job_id=job.id), PageRequest(1000)).items
        crop = CropReader(wiring.store).read(crops[0])

        assert job.status == "succeeded"
        assert job.result["chromosomes"] == len(crops)
        assert [crop.label for crop in crops] == sorted(crop.label or 0 for crop in crops)
        assert counts.recall >= 0.9
        assert crop.mask.sum() == crops[0].area_px
        assert crop.pixels.shape == (3, *crop.mask.shape)

    def test_names_the_exact_version_that_made_it(self, wiring: Wiring) -> None:
        """The job keeps the version that the alias meant at submission."""
        job = segment(wiring, upload_cells(wiring, ["P0704XY"]))

        assert job.artifacts == {"segmenter": "chromosome/1"}
        assert job.result["segmenter"] == "chromosome/1"

    def test_a_broken_original_fails_its_item_only(self, wiring: Wiring) -> None:
        """An image whose stored bytes are gone is a failed item; the job ends partial."""
        batch = upload_cells(wiring, ["A230150", "V280162"])
        with wiring.readers() as session:
            doomed = ImageRepository(session).get(batch.image_ids[0])
        wiring.store.delete(doomed.sources[0].key)
        job = segment(wiring, batch)
        items = wiring.jobs.items(job.id).items
        upload_cells(wiring, ["A230150"])  # puts the shared object back for other tests

        assert job.status == "partial"
        assert [item.status for item in items] == ["failed", "succeeded"]
        assert items[0].error is not None
        assert items[0].error["code"] == "object_not_found"

    def test_running_again_makes_a_second_outcome_and_keeps_the_first(self, wiring: Wiring) -> None:
        """A later job adds its own crops; the newest outcome is shown by default."""
        batch = upload_cells(wiring, ["P0704XY"])
        first, second = segment(wiring, batch), segment(wiring, batch)
        with wiring.readers() as session:
            repository = SegmentationRepository(session)
            newest = repository.get(batch.image_ids[0])
            older = repository.get(batch.image_ids[0], first.id)

        assert newest.job_id == second.id
        assert older.masks_key == newest.masks_key  # the same input gives the same bytes

    def test_draws_what_it_found(self, wiring: Wiring) -> None:
        """Overlay, crop, polygons and ImageJ regions come from the same masks."""
        batch = upload_cells(wiring, ["V280162"])
        job = segment(wiring, batch)
        image_id = batch.image_ids[0]
        features = wiring.pictures.masks_geojson(image_id)["features"]
        crop_id = features[0]["properties"]["crop_id"]

        assert len(features) == job.result["chromosomes"]
        assert wiring.pictures.overlay(image_id).startswith(b"\x89PNG")
        assert wiring.pictures.crop(crop_id, "dapi").startswith(b"\x89PNG")
        assert wiring.pictures.rois_zip(image_id).startswith(b"PK")


class TestSegmenterTraining:
    def test_fine_tunes_on_masks_that_a_person_drew(self, wiring: Wiring) -> None:
        """Two slides with masks give a new version, with metrics from the slide that was held out."""
        sample = uuid.uuid4().hex
        ids = []
        for name, slide in (("A230150", "slide-1"), ("V1801XY", "slide-2")):
            (image_id,) = upload_cells(wiring, [name], slide=slide, sample=sample).image_ids
            wiring.annotations.put_masks(image_id, (SAMPLES / "masks" / f"{name}.tif").read_bytes(), "tester")
            ids.append(image_id)
        name = f"tuned-{uuid.uuid4().hex[:8]}"
        request = SegmenterTrainingRequest(
            kind="segmenter_training",
            image_ids=tuple(ids),
            name=name,
            segmenter="chromosome/production",
            epochs=2,
            crops_per_image=1,
            crop_px=96,
            validation_fraction=0.5,
        )
        job = run_here(wiring, wiring.submissions.submit(request).id)
        with wiring.readers() as session:
            version = ArtifactService(session, wiring.store).resolve("segmenter", f"{name}/1")

        assert job.status == "succeeded", job.error
        assert job.result["artifact"] == f"{name}/1"
        assert len(version.manifest["training"]["losses"]) == 2
        assert version.manifest["parents"] == ["chromosome/1"]
        assert version.manifest["metrics"]["images"] == 1
        assert {"weights.safetensors", "loss.png"} == set(version.files)

    def test_an_image_without_masks_is_named(self, wiring: Wiring) -> None:
        """The job fails at once and says which image lacks its masks and what to do."""
        batch = upload_cells(wiring, ["P0704XY"])
        request = SegmenterTrainingRequest(kind="segmenter_training", batch_id=batch.id, name="never")
        job = run_here(wiring, wiring.submissions.submit(request).id)

        assert job.status == "failed"
        assert job.error is not None
        assert job.error["code"] == "invalid_input"
        assert batch.image_ids[0] in job.error["detail"]


class TestArtifactImport:
    def import_file(self, wiring: Wiring, content: bytes, name: str) -> Job:
        """Upload weights as the API would, and run the job."""
        params = ArtifactImportParams(name=name, diameter_px=26.0, licence="BSD-3-Clause")
        job = wiring.submissions.import_artifact("segmenter", params, io.BytesIO(content), "cp.pth")
        return run_here(wiring, job.id)

    def test_an_official_checkpoint_becomes_safetensors(self, wiring: Wiring) -> None:
        """A file that torch.save wrote for Cellpose 3's own network segments here."""
        official = CPnet([2, 32, 64, 128, 256], 3, 3)
        stream = io.BytesIO()
        torch.save(official.state_dict(), stream)
        name = f"official-{uuid.uuid4().hex[:8]}"
        job = self.import_file(wiring, stream.getvalue(), name)
        with wiring.readers() as session:
            version = ArtifactService(session, wiring.store).resolve("segmenter", f"{name}/1")

        assert job.status == "succeeded", job.error
        assert version.manifest["channels"] == [32, 64, 128, 256]
        assert version.manifest["diameter_px"] == pytest.approx(26.0)

    @pytest.mark.parametrize("content", [b"", b"not weights", b"cos\nsystem\n(S'true'\ntR."])
    def test_anything_else_fails_with_advice(self, wiring: Wiring, content: bytes) -> None:
        """Rubbish, and a pickle that would run a command, are refused without being run."""
        job = self.import_file(wiring, content, "rubbish")

        assert job.status == "failed"
        assert job.error is not None
        assert job.error["code"] == "invalid_input"
