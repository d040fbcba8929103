"""Uploading over HTTP, as a scanner's export and as a broken client would."""

from __future__ import annotations

import io
import json
import socket
import uuid
import zipfile
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from api.wiring import Wiring
from tests.support.http import tiff_bytes, upload

pytestmark = pytest.mark.integration

BOUNDARY = "multipart/form-data; boundary=B"


@pytest.fixture
def sample() -> str:
    return f"S-{uuid.uuid4()}"


def text_part(name: str, value: bytes) -> bytes:
    return b'--B\r\nContent-Disposition: form-data; name="' + name.encode() + b'"\r\n\r\n' + value + b"\r\n"


class TestUpload:
    def test_batch_is_answered_file_by_file(self, client: httpx.Client, sample: str) -> None:
        """A bad file rejects itself with a code, and the good ones are stored."""
        answer = client.post(
            "/v1/batches",
            data={
                "sample": sample,
                "slide": "2",
                "channels": json.dumps({"dapi": "*_d.tif", "red": "*_r.tif"}),
                "pixel_size_um": "0.065",
                "metadata": json.dumps({"operator": "mk"}),
            },
            files=[
                ("files", ("m1_d.tif", tiff_bytes(1))),
                ("files", ("m1_r.tif", tiff_bytes(2))),
                ("files", ("notes.txt", b"hello")),
            ],
        )
        batch = answer.json()
        status = {item["filename"]: item["status"] for item in batch["items"]}

        assert answer.status_code == 201
        assert f"/v1/batches/{batch['id']}" == answer.headers["location"]
        assert {"m1_d.tif": "stored", "m1_r.tif": "stored", "notes.txt": "rejected"} == status
        assert {"operator": "mk"} == batch["metadata"]
        assert batch["job_id"] is None

    def test_stored_batch_is_found_again(self, client: httpx.Client, sample: str) -> None:
        """A batch reads the same later, by id and in the list of its sample."""
        batch = upload(client, sample)

        assert batch == client.get(f"/v1/batches/{batch['id']}").json()
        assert [batch] == client.get("/v1/batches", params={"sample": sample}).json()["items"]

    def test_same_bytes_are_a_duplicate(self, client: httpx.Client, sample: str) -> None:
        """The second upload of a file has the first one's image."""
        first, second = upload(client, sample), upload(client, sample)

        assert "duplicate" == second["items"][0]["status"]
        assert first["items"][0]["image_id"] == second["items"][0]["image_id"]

    def test_zip_is_unpacked(self, client: httpx.Client, sample: str) -> None:
        """Members of a ZIP are items; a path that leaves the archive is rejected and nothing else."""
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr("a/m1.tif", tiff_bytes(3))
            archive.writestr("../evil.tif", tiff_bytes(4))
        answer = client.post(
            "/v1/batches",
            data={"sample": sample, "channels": '{"dapi": 0}'},
            files=[("files", ("export.zip", stream.getvalue()))],
        )

        assert ["rejected", "stored"] == sorted(item["status"] for item in answer.json()["items"])

    def test_file_names_are_only_labels(self, client: httpx.Client, sample: str) -> None:
        """Folders in a file's name are dropped."""
        answer = client.post(
            "/v1/batches",
            data={"sample": sample, "channels": '{"dapi": 0}'},
            files=[("files", ("..\\..\\C:/windows/m.tif", tiff_bytes(5)))],
        )

        assert ["m.tif"] == [item["filename"] for item in answer.json()["items"]]


class TestRefusals:
    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({}, "body.sample"),
            ({"sample": " "}, "body.sample"),
            ({"sample": "a\0b"}, "body.sample"),
            ({"sample": "x" * 201}, "body.sample"),
            ({"sample": "x", "pixel_size_um": "nan"}, "body.pixel_size_um"),
            ({"sample": "x", "pixel_size_um": "-1"}, "body.pixel_size_um"),
            ({"sample": "x", "metadata": "{"}, "body.metadata"),
            ({"sample": "x", "metadata": "[]"}, "body.metadata"),
            ({"sample": "x", "metadata": '{"a": "\\u0000"}'}, "body.metadata"),
            ({"sample": "x", "metadata": '{"\\ud800": 1}'}, "body.metadata"),
            ({"sample": "x", "metadata": '{"a": NaN}'}, "body.metadata"),
            ({"sample": "x", "metadata": '{"a": 1e999}'}, "body.metadata"),
            ({"sample": "x", "metadata": '{"a": ' + "[" * 5000 + "]" * 5000 + "}"}, "body.metadata"),
            ({"sample": "x", "process": "magic"}, "body.process"),
            ({"sample": "x", "sampel": "y"}, "body.sampel"),
            ({"sample": "x", "channels": "{"}, "channels"),
        ],
    )
    def test_field_is_named(self, client: httpx.Client, fields: dict[str, str], field: str) -> None:
        """A wrong text field is a 422 that names it."""
        answer = client.post("/v1/batches", data=fields, files=[("files", ("a.tif", tiff_bytes()))])

        assert 422 == answer.status_code
        assert [field] == [error["field"] for error in answer.json()["errors"]]

    def test_empty_batch(self, client: httpx.Client) -> None:
        """A form without a file is refused."""
        body = text_part("sample", b"x") + b"--B--\r\n"
        answer = client.post("/v1/batches", content=body, headers={"content-type": BOUNDARY})

        assert (422, "files") == (answer.status_code, answer.json()["errors"][0]["field"])

    def test_file_in_another_field(self, client: httpx.Client) -> None:
        """Files under a wrong name are not silently dropped."""
        answer = client.post("/v1/batches", data={"sample": "x"}, files=[("file", ("a.tif", b"x"))])

        assert (422, "body.file") == (answer.status_code, answer.json()["errors"][0]["field"])

    @pytest.mark.parametrize(
        ("body", "content_type", "status", "code"),
        [
            (b"hello", BOUNDARY, 400, "malformed_body"),
            (b"", BOUNDARY, 400, "malformed_body"),
            (text_part("sample", b"x"), BOUNDARY, 400, "malformed_body"),
            (b"--B\r\n\r\nx\r\n--B--\r\n", BOUNDARY, 400, "malformed_body"),
            (b"x", "multipart/form-data", 400, "malformed_body"),
            (text_part("sample", b"\xff") + b"--B--\r\n", BOUNDARY, 422, "invalid_input"),
            (text_part("sample", b"x") * 2 + b"--B--\r\n", BOUNDARY, 422, "invalid_input"),
            (text_part("sample", b"x" * 300_000) + b"--B--\r\n", BOUNDARY, 422, "invalid_input"),
            (b"sample=x", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
            (b"{}", "application/json", 415, "unsupported_media_type"),
        ],
    )
    def test_broken_form(
        self, client: httpx.Client, body: bytes, content_type: str, status: int, code: str
    ) -> None:
        """A body that is no whole multipart form is told apart from wrong input."""
        answer = client.post("/v1/batches", content=body, headers={"content-type": content_type})

        assert (status, code) == (answer.status_code, answer.json()["code"])

    def test_too_many_files(self, client: httpx.Client, wiring: Wiring) -> None:
        """The number of files is bounded."""
        files = [("files", (f"{n}.tif", b"x")) for n in range(wiring.settings.max_files_per_batch + 1)]
        answer = client.post("/v1/batches", data={"sample": "x"}, files=files)

        assert (413, "too_many_files") == (answer.status_code, answer.json()["code"])

    def test_too_many_bytes_in_pieces(self, client: httpx.Client, wiring: Wiring) -> None:
        """A chunked body, which tells no length, is cut off at the limit."""

        def pieces() -> Iterator[bytes]:
            yield text_part("sample", b"x")
            yield b'--B\r\nContent-Disposition: form-data; name="files"; filename="a.tif"\r\n\r\n'
            for _ in range(wiring.settings.max_upload_bytes // 65536 + 8):
                yield bytes(65536)

        answer = client.post("/v1/batches", content=pieces(), headers={"content-type": BOUNDARY})

        assert (413, "too_large") == (answer.status_code, answer.json()["code"])

    def test_length_that_is_a_lie(self, address: str, client: httpx.Client, sample: str) -> None:
        """A client that promises more than it sends leaves nothing behind, and the server goes on."""
        where = urlsplit(address)
        with socket.create_connection((where.hostname, where.port)) as connection:
            head = f"POST /v1/batches HTTP/1.1\r\nHost: x\r\nContent-Type: {BOUNDARY}\r\n"
            body = text_part("sample", sample.encode())
            connection.sendall(f"{head}Content-Length: {len(body) + 5000}\r\n\r\n".encode() + body)

        assert 200 == client.get("/healthz").status_code
        assert [] == client.get("/v1/batches", params={"sample": sample}).json()["items"]

    def test_promised_length_over_the_limit(self, address: str) -> None:
        """A length over the limit is refused before the body is taken in."""
        where = urlsplit(address)
        with socket.create_connection((where.hostname, where.port), timeout=10) as connection:
            head = f"POST /v1/batches HTTP/1.1\r\nHost: x\r\nContent-Type: {BOUNDARY}\r\n"
            connection.sendall(f"{head}Content-Length: 99999999999\r\n\r\n".encode())
            answer = connection.recv(65536)

        assert answer.startswith(b"HTTP/1.1 413")
