"""Maps of filtering jobs: what they show is what was recorded."""

from __future__ import annotations

import base64
import io
import json
import re
import uuid
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import update

from api.wiring import Wiring
from models.classification.preprocessing import Preprocessing
from models.filtering.filter import Filter
from models.segmentation.crops import CropPack
from services.artifacts.service import ArtifactService
from services.crops.canvases import canvases_of_crops
from services.crops.repository import CropRepository
from services.db.tables import CropRow
from services.filtering.repository import FilterScoreRepository
from services.jobs.params import FilteringRequest
from services.jobs.types import Job
from services.pipelines.filter_data import SplitRows
from services.pipelines.filter_map import artifact_map
from services.pipelines.filter_map_series import Sight, candidates_of
from services.pipelines.resources import ModelCache, Resources
from tests.support.classifiers import add_classifier
from tests.support.filters import NUM_ROWS, add_filter, filter_on
from tests.support.generated import add_painter, crops_of, generate
from tests.support.imported import import_crops
from tests.support.jobs import run_here
from tests.support.predicted import new_job, predict

pytestmark = pytest.mark.integration

# Weights of their own: filters are found by weights, and no other test's jobs should find these.
SEED = 43


@pytest.fixture(scope="module")
def classifier(wiring: Wiring) -> str:
    return add_classifier(wiring, f"c-{uuid.uuid4().hex[:8]}", seed=SEED)


@pytest.fixture(scope="module")
def found(wiring: Wiring, classifier: str) -> Filter:
    """A filter on noise; its map is as good as any to be drawn."""
    rows = np.random.default_rng(0).normal(size=(NUM_ROWS, 512)).astype(np.float32)
    return filter_on(wiring, classifier, rows, max_percentile=95.0)


@pytest.fixture(scope="module")
def filter_ref(wiring: Wiring, found: Filter) -> str:
    return add_filter(wiring, found)


@pytest.fixture
def sight(wiring: Wiring, classifier: str) -> Sight:
    with wiring.readers() as session:
        manifest = ArtifactService(session, wiring.store).resolve("classifier", classifier).manifest
    resources = Resources(wiring.sessions, wiring.store, wiring.settings, ModelCache(size=1))
    return Sight(resources, Preprocessing.from_json(manifest["preprocessing"]), lambda: None)


def sift(wiring: Wiring, filter_ref: str, crop_ids: tuple[str, ...]) -> Job:
    """Filter crops in this process."""
    request = FilteringRequest(kind="filtering", filter=filter_ref, crop_ids=crop_ids)
    job = run_here(wiring, wiring.submissions.submit(request).id)

    assert "succeeded" == job.status, job.error
    return job


def page_of(wiring: Wiring, job: Job) -> dict[str, Any]:
    """Return what the page of a job is drawn from."""
    html = wiring.store.get(job.result["map"]["html_key"]).decode()
    found = re.search(r'id="data">(.*?)</script>', html, re.DOTALL)
    assert found is not None
    told: dict[str, Any] = json.loads(found[1])
    return told


class TestJobMap:
    def test_shows_what_was_recorded(self, wiring: Wiring, filter_ref: str, found: Filter) -> None:
        """Imported and synthetic crops are groups of their own, beside the real ones of the filter."""
        imported = import_crops(wiring, 5, seed=1)
        with wiring.sessions.begin() as session:
            annotated = update(CropRow).where(CropRow.id == imported[0]).values(crop_class="normal")
            session.execute(annotated)
        made = generate(wiring, add_painter(wiring), crop_ids=imported[:3])
        synthetic = tuple(crop.id for crop in crops_of(wiring, made.id))

        job = sift(wiring, filter_ref, (*imported, *synthetic))

        told = page_of(wiring, job)
        half = NUM_ROWS // 2
        assert [
            ("real normal", "normal", half),
            ("real aberration", "aberration", half),
            ("normal, of this job", "candidate", 1),
            ("synthetic", "candidate", len(synthetic)),
            ("unlabelled, of this job", "candidate", 4),
        ] == [(one["name"], one["kind"], one["count"]) for one in told["series"]]
        assert (found.spec.level, 95.0) == (told["level"], told["max_percentile"])
        with wiring.readers() as session:
            recorded = FilterScoreRepository(session).of_crops(synthetic)
        needed = np.frombuffer(base64.b64decode(told["series"][3]["needed"]), "<f8")
        by_id = dict(zip(told["series"][3]["ids"], needed.tolist(), strict=True))
        assert {crop_id: score.needed_level for crop_id, (score,) in recorded.items()} == by_id

    def test_pictures_are_what_the_classifier_saw(
        self, wiring: Wiring, filter_ref: str, sight: Sight
    ) -> None:
        """A tile is the crop's canvas, pixel for pixel."""
        crop_ids = import_crops(wiring, 3, seed=2)

        told = page_of(wiring, sift(wiring, filter_ref, crop_ids))

        with wiring.readers() as session:
            crops = CropRepository(session).packed(crop_ids)
        pack = CropPack.from_npz(wiring.store.get(crops[0].pack_key))
        canvases = canvases_of_crops(pack, crops, sight.preprocessing).transpose(0, 2, 3, 1)
        sheet = np.asarray(Image.open(io.BytesIO(base64.b64decode(told["sprite"]["uri"].split(",")[1]))))
        side = sight.preprocessing.canvas_px
        for place, crop_id in enumerate(told["series"][2]["ids"]):
            tile = sheet[:side, place * side : (place + 1) * side]
            np.testing.assert_array_equal(tile, canvases[crop_ids.index(crop_id)])

    def test_links_lead_to_the_page_and_the_picture(self, wiring: Wiring, filter_ref: str) -> None:
        """The result names both, and the objects are there."""
        job = sift(wiring, filter_ref, import_crops(wiring, 2, seed=3))

        assert "made" == job.result["map"]["status"]
        assert wiring.store.get(job.result["map"]["png_key"]).startswith(b"\x89PNG")
        assert f"/v1/jobs/{job.id}/map.html" == job.result["links"]["map"]
        assert f"/v1/jobs/{job.id}/map.png" == job.result["links"]["map_picture"]

    def test_lost_pixels_cost_the_map_alone(self, wiring: Wiring, filter_ref: str, classifier: str) -> None:
        """Verdicts come from embeddings that are kept; the result says why there is no picture."""
        crop_ids = import_crops(wiring, 3, seed=uuid.uuid4().int % 2**32)
        embeddings = np.random.default_rng(1).normal(size=(3, 512)).astype(np.float32)
        predict(wiring, classifier, dict.fromkeys(crop_ids, 0.5), embeddings)
        with wiring.readers() as session:
            (pack_key,) = {crop.pack_key for crop in CropRepository(session).packed(crop_ids)}
        wiring.store.delete(pack_key)

        job = sift(wiring, filter_ref, crop_ids)

        assert 3 == job.result["crops"]
        assert "failed" == job.result["map"]["status"]
        assert pack_key in job.result["map"]["reason"]

    def test_a_job_without_scores_has_no_candidates(self, wiring: Wiring, sight: Sight) -> None:
        """There is nothing to draw before anything was filtered."""
        assert [] == candidates_of(new_job(wiring), sight)


class TestArtifactMap:
    def test_other_crops_than_the_fitted_are_refused(self, found: Filter, sight: Sight) -> None:
        """Names and pictures would belong to the wrong points."""
        nothing = SplitRows((), np.zeros((0, 512), np.float32))

        with pytest.raises(ValueError, match=f"{NUM_ROWS} crops, not on 0"):
            artifact_map(found, title="f/1", train=nothing, val=nothing, sight=sight)
