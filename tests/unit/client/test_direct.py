"""Large files past the service: to the store, without our key, and another way where that fails."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from client.archives import save_archive
from client.direct import linked
from client.errors import ConnectionFailedError, ProblemError, UnexpectedAnswerError
from client.http import Client
from client.records import Link
from client.retries import RetryPolicy
from client.uploading import Uploader, UploadRequest
from tests.fakes.tiny_service import Answer, TinyService, problem, running

CONTENT = b"II*\0" + bytes(range(256)) * 40
KEY = "kb_the-key-of-this-client"


@pytest.fixture
def store() -> Iterator[TinyService]:
    """A second server, which is the store."""
    with running() as started:
        yield started


@pytest.fixture
def client(service: TinyService, sleeps: list[float]) -> Iterator[Client]:
    """A client with a key."""
    retry = RetryPolicy(attempts=3)
    with Client(service.url, KEY, timeout_s=5.0, retry=retry, sleep=sleeps.append) as made:
        yield made


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A file that is sent directly."""
    (tmp_path / "m1.tif").write_bytes(CONTENT)
    return tmp_path / "m1.tif"


def promised(url: str) -> Answer:
    """What the service says of a promised file."""
    body = {
        "id": "upl_1",
        "filename": "m1.tif",
        "size_bytes": len(CONTENT),
        "state": "waiting",
        "url": url,
        "headers": {"Content-Type": "application/octet-stream", "x-ms-blob-type": "BlockBlob"},
        "expires_at": "2026-11-03T08:00:00Z",
    }
    return Answer(201, body)


def send(client: Client, service: TinyService, picture: Path, told: list[int] | None = None) -> None:
    """Upload one file directly, whatever its size."""
    batch = {"id": "batch_1", "sample": "S1", "items": [], "job_id": None}
    service.first("POST", "/v1/batches", Answer(201, batch))
    uploader = Uploader(
        client.transport,
        UploadRequest("S1"),
        lambda state: told.append(state.done_bytes) if told is not None else None,
        direct_from_bytes=1,
    )
    uploader.run([picture], ())


def batch_parts(service: TinyService) -> list[tuple[str, str | None, bytes]]:
    """The files of the batch, sent or named."""
    parts = service.seen("POST", "/v1/batches")[0].form()
    return [part for part in parts if part[0] in ("files", "uploads")]


class TestSending:
    def test_bytes_go_to_the_store_without_the_key(
        self, client: Client, service: TinyService, store: TinyService, picture: Path
    ) -> None:
        """The store gets the bytes and the headers that it asked for, and never our key."""
        told: list[int] = []
        service.first("POST", "/v1/uploads", promised(f"{store.url}/bucket/upl_1?signature=s"))
        store.first("PUT", "/bucket/upl_1", Answer())
        send(client, service, picture, told)
        request = store.requests[0]

        assert (CONTENT, "s") == (request.body, request.query["signature"])
        assert "BlockBlob" == request.headers["x-ms-blob-type"]
        assert str(len(CONTENT)) == request.headers["content-length"]
        assert "authorization" not in request.headers
        assert KEY not in str(request.headers)
        assert [("uploads", None, b"upl_1")] == batch_parts(service)
        assert sorted(told) == told
        assert len(CONTENT) == told[-1]

    def test_own_address_gets_the_key(self, client: Client, service: TinyService, picture: Path) -> None:
        """A store that cannot sign is reached through the service, which asks for the key."""
        service.first("POST", "/v1/uploads", promised("/v1/uploads/upl_1/content"))
        service.first("PUT", "/v1/uploads/upl_1/content", Answer(204, b""))
        send(client, service, picture)
        request = service.seen("PUT", "/v1/uploads/upl_1/content")[0]

        assert CONTENT == request.body
        assert f"Bearer {KEY}" == request.headers["authorization"]

    @pytest.mark.parametrize("reason", ["refused", "away"])
    def test_store_that_is_not_for_us_is_gone_around(
        self, client: Client, service: TinyService, store: TinyService, picture: Path, reason: str
    ) -> None:
        """Where the store refuses or is not there, the service passes the bytes on."""
        url = f"{store.url}/bucket/upl_1" if reason == "refused" else "http://127.0.0.1:9/bucket/upl_1"
        service.first("POST", "/v1/uploads", promised(url))
        store.first("PUT", "/bucket/upl_1", Answer(403, b"<Error/>"))
        service.first("PUT", "/v1/uploads/upl_1/content", Answer(204, b""))
        send(client, service, picture)

        assert CONTENT == service.seen("PUT", "/v1/uploads/upl_1/content")[0].body
        assert [("uploads", None, b"upl_1")] == batch_parts(service)

    def test_broken_connection_starts_the_file_anew(
        self, client: Client, service: TinyService, store: TinyService, picture: Path
    ) -> None:
        """A second attempt sends the file from its first byte."""
        service.first("POST", "/v1/uploads", promised(f"{store.url}/bucket/upl_1"))
        store.first("PUT", "/bucket/upl_1", Answer(drop=0), Answer())
        send(client, service, picture)

        assert [CONTENT, CONTENT] == [request.body for request in store.requests]

    def test_older_service_gets_the_file_with_the_request(
        self, client: Client, service: TinyService, picture: Path
    ) -> None:
        """A service that knows no uploads is sent a form as ever."""
        send(client, service, picture)

        assert [("files", "m1.tif", CONTENT)] == batch_parts(service)

    def test_other_refusals_are_told(self, client: Client, service: TinyService, picture: Path) -> None:
        """A file that is too large is no reason to try another way."""
        service.first("POST", "/v1/uploads", problem(413, "too_large"))

        with pytest.raises(ProblemError, match="too_large"):
            send(client, service, picture)
        assert [] == service.seen("POST", "/v1/batches")

    def test_small_files_travel_with_their_request(
        self, client: Client, service: TinyService, picture: Path
    ) -> None:
        """By default nothing is promised for what a form carries easily."""
        client.upload([picture], "S1")

        assert [] == service.seen("POST", "/v1/uploads")
        assert [("files", "m1.tif", CONTENT)] == batch_parts(service)


def link(store: TinyService, content: bytes, name: str = "weights.safetensors") -> Link:
    """A link to bytes of the store."""
    sha256 = hashlib.sha256(content).hexdigest()
    return Link(filename=name, size_bytes=len(content), sha256=sha256, url=f"{store.url}/k/{name}?s=secret")


class TestLinks:
    def test_archive_is_put_together_here(self, client: Client, store: TinyService, tmp_path: Path) -> None:
        """Manifest and files make a ZIP; the store is not shown the key."""
        store.first("GET", "/k/weights.safetensors", Answer(body=CONTENT))
        save_archive(client.transport, {"b": 1.5, "a": "x"}, [link(store, CONTENT)], tmp_path / "a.zip")
        with zipfile.ZipFile(tmp_path / "a.zip") as archive:
            names, weights = archive.namelist(), archive.read("weights.safetensors")

        assert (["manifest.json", "weights.safetensors"], CONTENT) == (names, weights)
        assert "authorization" not in store.requests[0].headers

    def test_other_bytes_leave_no_file(self, client: Client, store: TinyService, tmp_path: Path) -> None:
        """What does not have the promised hash is an error, and nothing lies under the name."""
        store.first("GET", "/k/weights.safetensors", Answer(body=CONTENT[::-1]))

        with pytest.raises(UnexpectedAnswerError, match="another hash"):
            save_archive(client.transport, {}, [link(store, CONTENT)], tmp_path / "a.zip")
        assert [] == list(tmp_path.iterdir())

    def test_errors_do_not_show_the_address(self, client: Client) -> None:
        """Whoever reads the error cannot use the link."""
        away = Link(filename="f", size_bytes=1, sha256="0", url="http://127.0.0.1:9/k?s=secret")

        with pytest.raises(ConnectionFailedError) as refused, linked(client.transport, away):
            pass
        assert "secret" not in str(refused.value)

    @pytest.mark.parametrize("links", ["none", "own", "broken"])
    def test_download_falls_back_on_the_service(
        self, client: Client, service: TinyService, store: TinyService, tmp_path: Path, links: str
    ) -> None:
        """An older service, a store that cannot sign, or one that fails: the service's own ZIP is taken."""
        path = "/v1/artifacts/filter/f"
        version: dict[str, Any] = {"kind": "filter", "name": "f", "version": 3, "manifest": {}}
        own = link(store, CONTENT).model_copy(update={"url": f"{path}/3/files/x"})
        offered = {"own": own, "broken": link(store, CONTENT)}.get(links)
        whole = io.BytesIO(b"PK of the service").getvalue()
        service.first("GET", f"{path}/production", Answer(body=version))
        if offered is not None:
            service.first("GET", f"{path}/3/links", Answer(body={"items": [offered.model_dump()]}))
        service.first("GET", f"{path}/3/content", Answer(body=whole))
        client.download_artifact("filter", "f", "production", tmp_path / "f.zip")

        assert whole == (tmp_path / "f.zip").read_bytes()
        assert (1 if links == "broken" else 0) == len(store.requests)
