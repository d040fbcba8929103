from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.channel_rules import LocalFile, UploadUnit
from client.errors import InvalidArgumentError, ProblemError
from client.http import Client
from client.uploading import Uploader, UploadProgress, UploadReport, UploadRequest, chunks_of
from tests.fakes.tiny_service import Answer, TinyService, problem

RULE = {"dapi": "*_dapi.tif", "red": "*_red.tif"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five metaphases of two files each."""
    for number in range(5):
        for channel in ("dapi", "red"):
            (tmp_path / f"m{number}_{channel}.tif").write_bytes(f"{number} {channel}".encode())
    return tmp_path


def upload(client: Client, folder: Path, **options: Any) -> UploadReport:
    """Upload a folder in requests of at most four files."""
    uploader = Uploader(client.transport, UploadRequest("S1", RULE), **{"max_files": 4, **options})
    return uploader.run([folder], ())


class Drain(httpx.BaseTransport):
    """Takes any body in pieces, counts it, and refuses."""

    received_bytes = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Count the body as it comes."""
        assert isinstance(request.stream, httpx.SyncByteStream)
        self.received_bytes = sum(len(piece) for piece in request.stream)
        return httpx.Response(403)


class TestUploader:
    def test_sends_everything_once(self, client: Client, service: TinyService, folder: Path) -> None:
        """Every file arrives, in requests of bounded size, with its metaphase."""
        report = upload(client, folder)

        requests = [
            [filename for _, filename, _ in request.form() if filename]
            for request in service.seen("POST", "/v1/batches")
        ]
        assert report.count("stored") == 10
        assert [len(names) for names in requests] == [4, 4, 2]
        assert all(
            {n[:2] for n in names if "dapi" in n} == {n[:2] for n in names if "red" in n}
            for names in requests
        )

    def test_sends_the_fields_of_the_form(self, client: Client, service: TinyService, tmp_path: Path) -> None:
        """Sample, rule, slide, pixel size, metadata and process arrive as the contract names them."""
        (tmp_path / "a.tif").write_bytes(b"a")
        request = UploadRequest("S-1", {"dapi": 2}, "slide 3", 0.065, {"microscope": "Ä"}, "segmentation")

        report = Uploader(client.transport, request).run([tmp_path], ())

        form = {name: content.decode() for name, f, content in service.requests[0].form() if f is None}
        assert {
            "sample": "S-1",
            "process": "segmentation",
            "channels": '{"dapi": 2}',
            "slide": "slide 3",
            "pixel_size_um": "0.065",
            "metadata": json.dumps({"microscope": "Ä"}),
        } == form
        assert report.job_ids == ["job_batch_0001"]

    def test_repeats_a_chunk_byte_by_byte(self, client: Client, service: TinyService, folder: Path) -> None:
        """A request whose connection broke is sent again with the same key and the same body."""
        service.first("POST", "/v1/batches", Answer(drop=0))

        report = upload(client, folder, max_files=100)

        first, second = service.seen("POST", "/v1/batches")
        assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
        assert first.body == second.body
        assert report.count("stored") == 10

    def test_continues_where_it_broke(self, client: Client, service: TinyService, folder: Path) -> None:
        """What the service has already is not sent a second time."""
        (folder / "m0_red.tif").unlink()
        (folder / "m0_dapi.tif").rename(folder / "zz_dapi.tif")
        rule = {"dapi": "*_dapi.tif"}
        for name in [path for path in folder.iterdir() if "red" in path.name]:
            name.unlink()
        service.first("POST", "/v1/batches", problem(401, "unauthorized"))
        with pytest.raises(ProblemError):
            client.upload([folder], "S1", channels=rule)
        client.upload([folder / "m1_dapi.tif", folder / "m2_dapi.tif"], "S1", channels=rule)
        before = len(service.seen("POST", "/v1/batches"))

        report = client.upload([folder], "S1", channels=rule)

        (request,) = service.seen("POST", "/v1/batches")[before:]
        sent = [filename for _, filename, _ in request.form() if filename]
        assert sent == ["m3_dapi.tif", "m4_dapi.tif", "zz_dapi.tif"]
        assert (report.skipped_files, report.count("duplicate"), report.count("stored")) == (2, 2, 3)

    def test_sends_nothing_when_all_is_there(
        self, client: Client, service: TinyService, tmp_path: Path
    ) -> None:
        """A second run makes no upload request at all."""
        (tmp_path / "a.tif").write_bytes(b"a")
        first = client.upload([tmp_path], "S1")

        second = client.upload([tmp_path], "S1")

        assert len(service.seen("POST", "/v1/batches")) == 1
        assert first.image_ids == second.image_ids

    def test_can_be_told_to_send_again(self, client: Client, service: TinyService, tmp_path: Path) -> None:
        """The service then answers `duplicate` with the first image's id."""
        (tmp_path / "a.tif").write_bytes(b"a")
        client.upload([tmp_path], "S1")

        report = client.upload([tmp_path], "S1", skip_stored=False)

        assert len(service.seen("POST", "/v1/batches")) == 2
        assert (report.count("duplicate"), report.skipped_files) == (1, 0)

    def test_a_bad_file_rejects_itself(self, client: Client, tmp_path: Path) -> None:
        """Its reason is in the report, beside the files that went well."""
        (tmp_path / "a.tif").write_bytes(b"a")
        (tmp_path / "b.tif").write_bytes(b"bad")

        report = client.upload([tmp_path], "S1")

        rejected = [item for item in report.items if item.status == "rejected"]
        assert [item.error.code for item in rejected] == ["truncated_file"]
        assert report.count("stored") == 1

    def test_progress_counts_bytes_to_the_end(
        self, client: Client, service: TinyService, folder: Path
    ) -> None:
        """The count never passes the total, ends at it, and falls back when a chunk is repeated."""
        service.first("POST", "/v1/batches", Answer(503, {}))
        states: list[UploadProgress] = []

        upload(client, folder, on_progress=states.append)

        total = sum(path.stat().st_size for path in folder.iterdir())
        assert {total} == {state.total_bytes for state in states}
        assert total == states[-1].done_bytes
        assert max(state.done_bytes for state in states) <= total

    def test_does_not_load_files_into_memory(self, tmp_path: Path) -> None:
        """A file of 32 MB is streamed in pieces."""
        drain = Drain()
        with (tmp_path / "large.tif").open("wb") as stream:
            stream.truncate(32 * 1024**2)
        tracemalloc.start()

        with Client("http://lab.example", http_transport=drain) as client, pytest.raises(ProblemError):
            client.upload([tmp_path], "S1", skip_stored=False)

        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert drain.received_bytes > 32 * 1024**2
        assert peak_bytes < 2 * 1024**2

    def test_refuses_to_upload_nothing(self, client: Client) -> None:
        """An empty list is a mistake of the caller."""
        with pytest.raises(InvalidArgumentError, match="nothing to upload"):
            client.upload([], "S1")


class TestChunksOf:
    @given(
        sizes=st.lists(st.lists(st.integers(0, 50), min_size=1, max_size=3), max_size=30),
        max_files=st.integers(3, 9),
        max_bytes=st.integers(1, 200),
    )
    def test_keeps_order_wholeness_and_bounds(
        self, tmp_path_factory: pytest.TempPathFactory, sizes: list[list[int]], max_files: int, max_bytes: int
    ) -> None:
        """Units stay whole and in order; a request is over its bounds only if one unit alone is."""
        base = tmp_path_factory.getbasetemp()
        units = [
            UploadUnit(tuple(LocalFile(base / f"u{i}_{j}", size) for j, size in enumerate(unit)))
            for i, unit in enumerate(sizes)
        ]

        chunks = list(chunks_of(units, max_files, max_bytes))

        assert units == [unit for chunk in chunks for unit in chunk]
        assert all(len(chunk) == 1 or sum(len(u.files) for u in chunk) <= max_files for chunk in chunks)
        assert all(len(chunk) == 1 or sum(u.size_bytes for u in chunk) <= max_bytes for chunk in chunks)

    def test_never_sends_one_name_twice_in_a_request(self, tmp_path: Path) -> None:
        """Two slides with the same file names go in two requests."""
        units = [UploadUnit((LocalFile(tmp_path / slide / "m1.tif", 1),)) for slide in ("a", "b")]

        assert [len(chunk) for chunk in chunks_of(units, 100, 1000)] == [1, 1]
