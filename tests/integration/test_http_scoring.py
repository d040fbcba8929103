"""An upload that is scored at once: the one call of a LIMS."""

from __future__ import annotations

import httpx
import pytest
from sqlalchemy import delete

from api.wiring import Wiring
from services.artifacts.repository import ArtifactRepository
from services.artifacts.shipped import register_shipped
from services.db.engine import SessionFactory
from services.db.tables import ArtifactAliasRow
from tests.support.classifiers import add_classifier
from tests.support.http import tiff_bytes

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("_empty")]

FORM = {"sample": "S26-1", "process": "scoring", "channels": '{"dapi": 0}'}


@pytest.fixture
def _empty(sessions: SessionFactory) -> None:
    """Whether a classifier is in production is what these tests are about."""
    del sessions


def upload(client: httpx.Client) -> httpx.Response:
    """Upload one image to be scored."""
    return client.post("/v1/batches", data=FORM, files=[("files", ("m.tif", tiff_bytes()))])


def promote(wiring: Wiring, ref: str) -> None:
    """Put a classifier version into production, past the rules of promotion: nobody evaluated it."""
    name, _, version = ref.partition("/")
    with wiring.sessions.begin() as session:
        ArtifactRepository(session).set_alias("classifier", name, "production", int(version))


class TestScoringOfAnUpload:
    def test_submits_one_job(self, client: httpx.Client, wiring: Wiring) -> None:
        """The batch names a scoring job with the exact versions that are in production."""
        register_shipped(wiring.sessions, wiring.store)
        ref = add_classifier(wiring, "translocation")
        promote(wiring, ref)
        batch = upload(client).json()
        job = client.get(f"/v1/jobs/{batch['job_id']}").json()

        assert ("scoring", {"segmenter": "chromosome/1", "classifier": ref}) == (
            job["kind"],
            job["artifacts"],
        )
        assert {"batch_id": batch["id"], "images": 1} == job["inputs"]

    @pytest.mark.parametrize(
        ("status", "code", "trained"), [(404, "not_found", None), (422, "invalid_input", False)]
    )
    def test_cannot_be_scored(
        self, client: httpx.Client, wiring: Wiring, status: int, code: str, *, trained: bool | None
    ) -> None:
        """Without a trained classifier in production the upload is refused before anything is stored."""
        register_shipped(wiring.sessions, wiring.store)
        with wiring.sessions.begin() as session:
            session.execute(delete(ArtifactAliasRow).where(ArtifactAliasRow.kind == "classifier"))
        if trained is not None:
            promote(wiring, add_classifier(wiring, "translocation", trained=trained))
        answer = upload(client)

        assert (status, code) == (answer.status_code, answer.json()["code"])
        assert [] == client.get("/v1/batches", params={"sample": FORM["sample"]}).json()["items"]
