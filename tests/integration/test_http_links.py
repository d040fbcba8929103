"""Links to stored files, and large files that go to a real S3 server past this service."""

from __future__ import annotations

import hashlib
import io
import os
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from api.wiring import Wiring, wire
from client.http import Client
from services.artifacts.service import ArtifactService
from services.config import Settings
from services.storage.keys import incoming_key
from tests.support.http import serving, tiff_bytes, upload
from tests.support.promised import promise, send, sent, take
from tests.support.seaweed import S3Server

pytestmark = pytest.mark.integration

WEIGHTS = os.urandom(300_000)


def add_version(wiring: Wiring) -> str:
    """Store an artifact version of two files; returns its name."""
    name = f"w-{uuid.uuid4().hex[:8]}"
    files = {"weights.safetensors": WEIGHTS, "card.md": b"# Card"}
    with wiring.sessions.begin() as session:
        ArtifactService(session, wiring.store).add("segmenter", name, {"loss": 0.1, "b": [1e-05]}, files)
    return name


@pytest.fixture(scope="module")
def on_s3(http_settings: Settings, s3_server: S3Server) -> Iterator[Wiring]:
    """The same service on an S3 server that clients reach."""
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in s3_server.environment.items():
            patch.setenv(variable, value)
        changed = {
            "object_store_url": f"{s3_server.url}/{uuid.uuid4()}",
            "object_store_public_endpoint": s3_server.endpoint,
        }
        wired = wire(http_settings.model_copy(update=changed))
        yield wired
        wired.close()


@pytest.fixture(scope="module")
def s3_address(on_s3: Wiring) -> Iterator[str]:
    """Address of the service on S3."""
    with serving(on_s3) as url:
        yield url


@pytest.fixture
def s3_client(s3_address: str) -> Iterator[httpx.Client]:
    """A client of the service on S3."""
    with httpx.Client(base_url=s3_address, timeout=30) as opened:
        yield opened


def fetch(client: httpx.Client, link: dict[str, Any]) -> bytes:
    """Follow a link, with the key only to the service itself."""
    get = client.get if link["url"].startswith("/") else httpx.get
    answer = get(link["url"], headers=link["headers"])

    assert answer.status_code == 200, answer.text
    return answer.content


class TestOwnLinks:
    def test_links_of_an_image_lead_to_its_files(self, client: httpx.Client) -> None:
        """A folder cannot sign: the links are the service's own, and say what comes."""
        image_id = upload(client, f"S-{uuid.uuid4()}", seed=21)["items"][0]["image_id"]
        (link,) = client.get(f"/v1/images/{image_id}/links").json()["items"]

        assert link["url"].startswith("/v1/images/")
        assert tiff_bytes(21) == fetch(client, link)
        assert ("metaphase.tif", len(tiff_bytes(21))) == (link["filename"], link["size_bytes"])
        assert hashlib.sha256(tiff_bytes(21)).hexdigest() == link["sha256"]

    def test_links_of_a_version_lead_to_its_files(self, client: httpx.Client, wiring: Wiring) -> None:
        """Each file of an artifact is to be had by itself, for ever the same."""
        name = add_version(wiring)
        links = client.get(f"/v1/artifacts/segmenter/{name}/1/links").json()["items"]
        answer = client.get(links[1]["url"])
        again = client.get(links[1]["url"], headers={"If-None-Match": answer.headers["etag"]})

        assert ["card.md", "weights.safetensors"] == [link["filename"] for link in links]
        assert (WEIGHTS, 304) == (answer.content, again.status_code)
        assert "immutable" in answer.headers["cache-control"]
        assert "weights.safetensors" in answer.headers["content-disposition"]

    @pytest.mark.parametrize(
        "filename", ["nothing", "..%2F..%2Foriginals", "weights.safetensors%00", "manifest.json"]
    )
    def test_only_files_of_the_version_are_given(
        self, client: httpx.Client, wiring: Wiring, filename: str
    ) -> None:
        """A name that the version does not hold is a 404, whatever it looks like."""
        name = add_version(wiring)

        assert 404 == client.get(f"/v1/artifacts/segmenter/{name}/1/files/{filename}").status_code


class TestSignedLinks:
    def test_upload_goes_to_the_store_and_into_a_batch(self, s3_client: httpx.Client, on_s3: Wiring) -> None:
        """A promised file is put into S3 by its address, taken by a batch, and removed from where it lay."""
        content, sample = tiff_bytes(31), f"S-{uuid.uuid4()}"
        promised = promise(s3_client, content)
        put = send(s3_client, promised, content)
        state = s3_client.get(f"/v1/uploads/{promised['id']}").json()["state"]
        (item,) = take(s3_client, sample, [promised["id"]]).json()["items"]
        (link,) = s3_client.get(f"/v1/images/{item['image_id']}/links").json()["items"]

        assert "X-Amz-Signature" in promised["url"]
        assert (200, "received", "stored") == (put.status_code, state, item["status"])
        assert "X-Amz-Signature" in link["url"]
        assert content == fetch(s3_client, link)
        assert not on_s3.store.exists(incoming_key(promised["id"]))

    def test_service_takes_the_bytes_as_well(self, s3_client: httpx.Client) -> None:
        """A client that does not reach S3 sends to the service, though it was offered another way."""
        content = tiff_bytes(32)
        promised = promise(s3_client, content)
        own = {**promised, "url": f"/v1/uploads/{promised['id']}/content"}

        assert 204 == send(s3_client, own, content).status_code
        assert "received" == s3_client.get(f"/v1/uploads/{promised['id']}").json()["state"]

    def test_address_allows_one_thing(self, s3_client: httpx.Client) -> None:
        """An address for sending does not read, one for reading does not write, nor for another object."""
        content = tiff_bytes(33)
        promised, other = promise(s3_client, content), promise(s3_client, content)
        send(s3_client, promised, content)
        (item,) = take(s3_client, f"S-{uuid.uuid4()}", [sent(s3_client, content)]).json()["items"]
        (link,) = s3_client.get(f"/v1/images/{item['image_id']}/links").json()["items"]
        elsewhere = promised["url"].replace(promised["id"], other["id"])

        assert 403 == httpx.get(promised["url"]).status_code
        assert 403 == httpx.put(link["url"], content=b"x").status_code
        assert 403 == httpx.put(elsewhere, content=content).status_code
        assert content == fetch(s3_client, link)

    def test_object_that_was_replaced_is_noticed(self, s3_client: httpx.Client) -> None:
        """The address can be used again until it expires; what does not have the size is not taken."""
        content = tiff_bytes(34)
        promised = promise(s3_client, content)
        send(s3_client, promised, content)
        send(s3_client, promised, content + b"more")
        (item,) = take(s3_client, f"S-{uuid.uuid4()}", [promised["id"]]).json()["items"]

        assert "upload_incomplete" == item["error"]["code"]


class TestClient:
    def test_client_sends_past_the_service(self, s3_address: str, tmp_path: Path) -> None:
        """The Python client sends files to S3 by itself, and running it again sends nothing."""
        sample = f"S-{uuid.uuid4()}"
        for number in range(2):
            (tmp_path / f"m{number}.tif").write_bytes(tiff_bytes(40 + number))
        with Client(s3_address) as library:
            first = library.upload([tmp_path], sample, channels={"dapi": "*.tif"}, direct=True)
            again = library.upload([tmp_path], sample, channels={"dapi": "*.tif"}, direct=True)

        assert (2, 0) == (first.count("stored"), first.skipped_files)
        assert 2 == again.skipped_files
        assert first.image_ids == again.image_ids

    def test_archive_from_the_store_is_the_services_own(
        self, s3_address: str, s3_client: httpx.Client, on_s3: Wiring, tmp_path: Path
    ) -> None:
        """Put together from links, an artifact's ZIP is byte for byte what the service gives."""
        name = add_version(on_s3)
        with Client(s3_address) as library:
            saved = library.download_artifact("segmenter", name, "1", tmp_path / "a.zip").read_bytes()
        links = s3_client.get(f"/v1/artifacts/segmenter/{name}/1/links").json()["items"]

        assert s3_client.get(f"/v1/artifacts/segmenter/{name}/1/content").content == saved
        assert WEIGHTS == zipfile.ZipFile(io.BytesIO(saved)).read("weights.safetensors")
        assert {urlsplit(link["url"]).netloc for link in links} != {urlsplit(s3_address).netloc}
