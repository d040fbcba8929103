"""`python -m services.verify` on a database whose store has lost something."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from pathlib import Path

import httpx
import pytest

from api.wiring import Wiring
from services.crops.repository import CropRepository
from services.images.repository import ImageRepository
from services.verify.references import count_references, references
from tests.support.classifiers import add_classifier
from tests.support.datasets import imported, labelled_archive, new_name
from tests.support.segmented import Segmented, segment

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def segmented(wiring: Wiring, client: httpx.Client) -> Segmented:
    """An image with its masks and crops, all of them its own."""
    return segment(wiring, client, f"S-{uuid.uuid4().hex}", seed=uuid.uuid4().int % 2**31)


def verify(wiring: Wiring, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run the command as an operator would."""
    settings = wiring.settings
    environment = {
        **os.environ,
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "OBJECT_STORE_URL": settings.object_store_url,
        **changes,
    }
    return subprocess.run(
        [sys.executable, "-m", "services.verify", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


class TestReferences:
    def test_name_every_kind_of_thing(
        self, wiring: Wiring, client: httpx.Client, segmented: Segmented
    ) -> None:
        """Images, masks, crops and artifacts are followed to their objects, and counted alike."""
        ref = add_classifier(wiring, new_name())
        imported(client, labelled_archive())
        found = list(references(wiring.engine))
        mine = {one.owner for one in found if segmented.image_id in one.examples}
        packs = [one for one in found if set(segmented.crop_ids) == set(one.examples)]

        assert len(found) == count_references(wiring.engine)
        assert {"image", "masks of image"} <= mine
        assert [("crop", 2)] == [(one.owner, one.num_owners) for one in packs]
        assert any(one.owner == "artifact" and f"classifier {ref}" in one.examples for one in found)


class TestVerify:
    def test_all_is_there(self, wiring: Wiring, segmented: Segmented) -> None:
        """Nothing is reported of what was just stored."""
        told = verify(wiring, "--contents")

        assert not any(line.startswith("damaged") for line in told.stdout.splitlines())
        assert segmented.image_id not in told.stdout
        assert "references read and compared" in told.stdout

    def test_names_what_an_object_was_needed_for(self, wiring: Wiring, segmented: Segmented) -> None:
        """A lost original and a lost pack are told with the image and the crops that they belong to."""
        with wiring.sessions() as session:
            original = ImageRepository(session).get(segmented.image_id).sources[0].key
            pack = CropRepository(session).get(segmented.crop_ids[0]).pack_key
        for key in (original, pack):
            wiring.store.delete(key)
        told = verify(wiring)

        assert 1 == told.returncode
        assert f"missing  {original}  image {segmented.image_id}" in told.stdout.splitlines()
        assert f"missing  {pack}  crop {', '.join(sorted(segmented.crop_ids))}" in told.stdout.splitlines()

    def test_finds_damage_only_when_it_reads(self, wiring: Wiring, segmented: Segmented) -> None:
        """An object with other bytes is there, and is found by its digest."""
        with wiring.sessions() as session:
            key = ImageRepository(session).get(segmented.image_id).sources[0].key
        wiring.store.put(key, wiring.store.get(key)[:-1])
        looked, read = verify(wiring), verify(wiring, "--contents")

        assert segmented.image_id not in looked.stdout
        assert f"damaged  {key}  image {segmented.image_id}" in read.stdout.splitlines()
        assert 1 == read.returncode

    def test_says_that_it_does_not_know(self, wiring: Wiring) -> None:
        """A store that is away is no store that has lost everything."""
        away = {
            "OBJECT_STORE_URL": "s3://bucket",
            "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "x",
            "AWS_REGION": "us-east-1",
        }
        told = verify(wiring, **away)

        assert (2, "") == (told.returncode, told.stdout)
        assert "The object store is away" in told.stderr
