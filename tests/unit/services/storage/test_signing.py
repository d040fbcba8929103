"""Which stores let clients read and write by themselves, and under which address."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from services.errors import InvalidInputError
from services.storage.base import ObjectNotFoundError, ObjectStore
from services.storage.factory import OWN_ENDPOINTS, open_store
from services.storage.keys import incoming_key
from tests.support.seaweed import S3Server


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody's credentials for the vendor's own store."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-word")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    for name in OWN_ENDPOINTS:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(params=["folder", "memory"])
def plain(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """Stores without an address."""
    return open_store("memory:///" if request.param == "memory" else tmp_path.as_uri())


class TestPlainStores:
    def test_cannot_sign(self, plain: ObjectStore) -> None:
        """Nobody reaches a folder or a process's memory from outside."""
        assert plain.sign("key", "PUT", 60) is None

    def test_tell_sizes(self, plain: ObjectStore) -> None:
        """An object's size is told without reading it, and a missing one is a named error."""
        plain.put("key", b"12345")

        assert 5 == plain.size("key")
        with pytest.raises(ObjectNotFoundError):
            plain.size("nothing")

    def test_have_no_public_endpoint(self, tmp_path: Path) -> None:
        """A setting that can mean nothing is refused and not ignored."""
        with pytest.raises(InvalidInputError, match="s3://"):
            open_store(tmp_path.as_uri(), "https://s3.example.org")


@pytest.mark.usefixtures("credentials")
class TestAddresses:
    def test_vendors_own_store_signs_for_itself(self) -> None:
        """Everybody reaches the vendor; the secret is not in the address, and shown nowhere."""
        signed = open_store("s3://bucket/lab").sign(incoming_key("upl_1"), "PUT", 900)
        assert signed is not None
        parts = urlsplit(signed.url)

        assert "s3.eu-central-1.amazonaws.com" == parts.hostname
        assert "/bucket/lab/incoming/upl_1" == parts.path
        assert ["900"] == parse_qs(parts.query)["X-Amz-Expires"]
        assert "secret-word" not in signed.url
        assert "Signature" not in repr(signed)

    @pytest.mark.parametrize("variable", OWN_ENDPOINTS)
    def test_own_store_signs_nothing_by_itself(self, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
        """Its address may be one that only the cluster knows, and a link would lead nowhere."""
        monkeypatch.setenv(variable, "http://s3:8333")

        assert open_store("s3://bucket").sign("key", "GET", 900) is None

    def test_own_store_signs_for_its_public_address(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The operator says where clients reach it; the service itself goes on by the inner way."""
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://s3:8333")
        signed = open_store("s3://bucket", "https://s3.example.org").sign("key", "GET", 900)

        assert signed is not None
        assert signed.url.startswith("https://s3.example.org/bucket/key?")

    def test_azure_wants_a_header(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A client that puts a blob must say which kind; what it must send is told with the address."""
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "lab")
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "c2VjcmV0LXdvcmQ=")
        store = open_store("az://container")
        put, get = store.sign("key", "PUT", 900), store.sign("key", "GET", 900)

        assert put is not None
        assert get is not None
        assert ("lab.blob.core.windows.net", {"x-ms-blob-type": "BlockBlob"}) == (
            urlsplit(put.url).hostname,
            put.headers,
        )
        assert {} == get.headers


class TestServer:
    def test_a_real_server_keeps_to_the_signature(
        self, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One object, one method, a short while: anything else is refused by the server itself."""
        for name, value in s3_server.environment.items():
            monkeypatch.setenv(name, value)
        store = open_store(f"{s3_server.url}/signing", s3_server.endpoint)
        put, get = store.sign("key", "PUT", 60), store.sign("key", "GET", 60)
        assert put is not None
        assert get is not None
        sent, read = httpx.put(put.url, content=b"hello"), httpx.get(get.url)
        refused = [
            httpx.get(put.url),
            httpx.put(get.url, content=b"x"),
            httpx.get(get.url.replace("/key?", "/other?")),
            httpx.get(get.url.replace("X-Amz-Expires=60", "X-Amz-Expires=600")),
        ]

        assert (200, 200, b"hello") == (sent.status_code, read.status_code, read.content)
        assert [403] * 4 == [answer.status_code for answer in refused]
        assert 5 == store.size("key")
