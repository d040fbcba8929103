"""Taking in a batch, on a real database and a real folder."""

from __future__ import annotations

import io
import uuid
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tifffile

from api.wiring import Wiring
from services.errors import InvalidInputError
from services.images.channels import ChannelRule
from services.images.repository import ImageRepository, load_stack
from services.pagination import PageRequest
from services.uploads import service as uploads
from services.uploads.types import Batch, BatchRequest, UploadedFile
from tests.support.http import tiff_bytes

pytestmark = pytest.mark.integration

SAMPLES = Path(__file__).parents[2] / "samples"
PATTERNS = ChannelRule(patterns={"red": "*_red.tif", "green": "*_green.tif", "dapi": "*_dapi.tif"})


def receive(
    wiring: Wiring, files: dict[str, bytes], rule: ChannelRule | None = None, sample: str | None = None
) -> Batch:
    """Upload files under a sample of their own."""
    request = BatchRequest(sample=sample or uuid.uuid4().hex, channel_rule=rule)
    return wiring.uploads.receive(
        [UploadedFile(name, io.BytesIO(content)) for name, content in files.items()], request
    )


def zip_of(files: dict[str, bytes]) -> bytes:
    """Return a ZIP with these members."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


class TestReceive:
    def test_one_grey_file_per_channel_becomes_one_image(self, wiring: Wiring) -> None:
        """Three planes of a real metaphase are stored as one image whose pixels come back."""
        files = {path.name: path.read_bytes() for path in sorted(SAMPLES.glob("A230150_*.tif"))}
        batch = receive(wiring, files, PATTERNS)
        with wiring.readers() as session:
            image = ImageRepository(session).get(batch.image_ids[0])
        stack = load_stack(wiring.store, image)

        assert {item.status for item in batch.items} == {"stored"}
        assert len(batch.image_ids) == 1
        assert stack.channels == ("red", "green", "dapi")
        assert np.array_equal(tifffile.imread(SAMPLES / "A230150_dapi.tif"), stack.plane("dapi"))

    def test_a_bad_file_rejects_itself_and_not_the_batch(self, wiring: Wiring) -> None:
        """The good file is stored; the truncated one carries its reason."""
        good = tiff_bytes(1)
        batch = receive(wiring, {"good.tif": good, "cut.tif": tiff_bytes(2)[:200], "empty.tif": b""})
        outcome = {item.filename: (item.status, item.error and item.error["code"]) for item in batch.items}

        assert outcome["good.tif"] == ("stored", None)
        assert outcome["empty.tif"] == ("rejected", "empty_file")
        assert outcome["cut.tif"][0] == "rejected"

    def test_the_same_bytes_under_the_same_sample_are_a_duplicate(self, wiring: Wiring) -> None:
        """The answer carries the first image's id, also under another file name."""
        sample = uuid.uuid4().hex
        first = receive(wiring, {"one.tif": tiff_bytes(3)}, sample=sample)
        again = receive(wiring, {"renamed.tif": tiff_bytes(3)}, sample=sample)

        assert again.items[0].status == "duplicate"
        assert again.items[0].image_id == first.items[0].image_id

    def test_another_sample_may_have_the_same_bytes(self, wiring: Wiring) -> None:
        """Patients are never mixed up because their files are alike."""
        first = receive(wiring, {"one.tif": tiff_bytes(4)})
        other = receive(wiring, {"one.tif": tiff_bytes(4)})

        assert other.items[0].status == "stored"
        assert other.image_ids != first.image_ids

    def test_a_zip_is_unpacked_member_by_member(self, wiring: Wiring) -> None:
        """Path tricks are refused by name while the honest member is stored."""
        archive = zip_of({"cells/a.tif": tiff_bytes(5), "../../evil.tif": tiff_bytes(6)})
        batch = receive(wiring, {"cells.zip": archive})
        outcome = {item.filename: (item.status, item.error and item.error["code"]) for item in batch.items}

        assert outcome["cells.zip/cells/a.tif"] == ("stored", None)
        assert outcome["cells.zip/../../evil.tif"] == ("rejected", "zip_unsafe_path")

    def test_a_damaged_zip_is_one_rejected_item(self, wiring: Wiring) -> None:
        """An archive without its directory takes nothing else with it."""
        archive = zip_of({"a.tif": tiff_bytes(7)})
        batch = receive(wiring, {"half.zip": archive[: len(archive) // 2], "good.tif": tiff_bytes(8)})

        assert [(i.filename, i.status) for i in batch.items] == [
            ("good.tif", "stored"),
            ("half.zip", "rejected"),
        ]

    def test_an_empty_upload_is_refused(self, wiring: Wiring) -> None:
        """The message says which field was expected."""
        with pytest.raises(InvalidInputError, match="files"):
            receive(wiring, {})

    def test_image_and_job_exist_together_or_not_at_all(self, wiring: Wiring) -> None:
        """When the job cannot be added, no image is recorded either."""
        sample = uuid.uuid4().hex
        request = BatchRequest(sample=sample)

        def refuse(*_: object) -> str:
            raise InvalidInputError("no job today")

        with pytest.raises(InvalidInputError, match="no job today"):
            wiring.uploads.receive([UploadedFile("a.tif", io.BytesIO(tiff_bytes(9)))], request, refuse)
        with wiring.readers() as session:
            recorded = ImageRepository(session).ids_of(sample)

        assert recorded == ()

    def test_what_no_longer_fits_is_refused_and_smaller_files_are_not(self, wiring: Wiring) -> None:
        """A batch has a budget of decoded bytes; the next batch has its own."""
        picture = tifffile.imread(io.BytesIO(tiff_bytes(1)))
        settings = wiring.settings.model_copy(update={"max_batch_decoded_bytes": 2 * picture.nbytes})
        files = {"1.tif": tiff_bytes(1), "2.tif": tiff_bytes(2), "3.tif": tiff_bytes(3)}
        service = uploads.UploadService(wiring.sessions, wiring.store, settings)

        def send(some: dict[str, bytes]) -> dict[str, str]:
            sources = [UploadedFile(name, io.BytesIO(content)) for name, content in some.items()]
            batch = service.receive(sources, BatchRequest(sample=uuid.uuid4().hex))
            return {item.filename: item.error["code"] if item.error else item.status for item in batch.items}

        assert {"1.tif": "stored", "2.tif": "stored", "3.tif": "batch_too_large"} == send(files)
        assert {"3.tif": "stored"} == send({"3.tif": files["3.tif"]})


class TestListPage:
    def test_ends_where_its_batches_have_many_files(
        self, wiring: Wiring, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A page of huge batches is short; the next ones have the others, each once."""
        monkeypatch.setattr(uploads, "MAX_FILES_PER_PAGE", 3)
        sample = uuid.uuid4().hex
        sizes = (2, 1, 2, 5, 1)
        for size in sizes:
            files = {f"{number}.tif": tiff_bytes(uuid.uuid4().int % 2**32) for number in range(size)}
            receive(wiring, files, sample=sample)
        pages, cursor = [], None
        while True:
            page = wiring.uploads.list_page(PageRequest(10, cursor), sample)
            pages.append([len(batch.items) for batch in page.items])
            cursor = page.next_cursor
            if cursor is None:
                break

        assert [[2, 1], [2], [5], [1]] == pages
