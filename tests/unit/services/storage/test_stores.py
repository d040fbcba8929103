"""One contract, every implementation of the object store that runs on this computer."""

from __future__ import annotations

import io
import uuid
from pathlib import Path

import pytest

from services.errors import InvalidInputError
from services.storage.base import ObjectNotFoundError, ObjectStore, StoreUnavailableError
from services.storage.factory import open_store
from services.storage.keys import content_key, sha256_hex, sha256_of_stream
from tests.support.seaweed import S3Server


@pytest.fixture(params=["folder", "memory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """Each real implementation in turn; the folder's path has a space."""
    if request.param == "memory":
        return open_store("memory:///")
    if request.param == "folder":
        return open_store((tmp_path / "my objects").as_uri())
    server: S3Server = request.getfixturevalue("s3_server")
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return open_store(f"{server.url}/{uuid.uuid4().hex}")


class TestObjectStore:
    def test_gives_back_what_was_put(self, store: ObjectStore) -> None:
        """An object comes back byte for byte."""
        store.put("originals/aa/one", b"\x00\x01\xff")

        assert store.get("originals/aa/one") == b"\x00\x01\xff"

    def test_takes_a_stream(self, store: ObjectStore) -> None:
        """A file-like object is stored whole, beyond the size of one part."""
        content = bytes(range(256)) * 30_000
        store.put("big", io.BytesIO(content))

        assert content == store.get("big")

    def test_streams_in_pieces(self, store: ObjectStore) -> None:
        """A large object's pieces add up to it."""
        content = bytes(range(256)) * 20_000
        store.put("big", content)

        assert content == b"".join(store.stream("big"))

    def test_reads_a_part(self, store: ObjectStore) -> None:
        """Some bytes out of the middle come without the rest, and none are made up beyond the end."""
        store.put("key", bytes(range(100)))

        assert bytes(range(40, 50)) == store.get_range("key", 40, 10)
        assert bytes(range(95, 100)) == store.get_range("key", 95, 10)

    def test_a_part_of_nothing_is_a_named_error(self, store: ObjectStore) -> None:
        """A missing object is told in the same words, however it is read."""
        with pytest.raises(ObjectNotFoundError, match="'nothing'"):
            store.get_range("nothing", 0, 1)

    def test_replaces_an_object(self, store: ObjectStore) -> None:
        """Putting again under the same key is harmless and the newest content counts."""
        store.put("key", b"old")
        store.put("key", b"new")

        assert store.get("key") == b"new"

    def test_says_whether_an_object_exists(self, store: ObjectStore) -> None:
        """Existence is asked without reading."""
        store.put("there", b"")

        assert store.exists("there")
        assert not store.exists("not there")

    def test_a_missing_object_is_a_named_error(self, store: ObjectStore) -> None:
        """Reading nothing raises our error, whatever the vendor calls it."""
        with pytest.raises(ObjectNotFoundError, match="'nothing'"):
            store.get("nothing")

    def test_a_missing_object_is_noticed_before_the_first_piece(self, store: ObjectStore) -> None:
        """A response can still become a 404 when the stream is opened."""
        with pytest.raises(ObjectNotFoundError):
            store.stream("nothing")

    def test_deletes_twice_without_complaint(self, store: ObjectStore) -> None:
        """Deleting what is gone is no error."""
        store.put("key", b"x")
        store.delete("key")
        store.delete("key")

        assert not store.exists("key")

    def test_answers_the_readiness_check(self, store: ObjectStore) -> None:
        """A reachable store passes its check in silence."""
        assert store.check() is None


class TestOpenStore:
    def test_makes_a_missing_folder(self, tmp_path: Path) -> None:
        """The embedded default needs no preparation."""
        open_store((tmp_path / "a" / "b").as_uri()).put("key", b"x")

        assert (tmp_path / "a" / "b" / "key").read_bytes() == b"x"

    def test_refuses_an_unknown_scheme(self) -> None:
        """The message lists what is known."""
        with pytest.raises(InvalidInputError, match="s3://"):
            open_store("ftp://host/folder")

    def test_says_that_a_folder_cannot_be_made(self, tmp_path: Path) -> None:
        """A file in the way is a named error."""
        (tmp_path / "file").write_text("in the way")

        with pytest.raises(StoreUnavailableError, match="cannot be opened"):
            open_store((tmp_path / "file" / "folder").as_uri())

    def test_a_full_or_broken_store_is_a_transient_error(self, tmp_path: Path) -> None:
        """A path that cannot be written is retried later, not taken for a bug."""
        store = open_store((tmp_path / "objects").as_uri())
        (tmp_path / "objects" / "room").write_text("a file where a folder should be")

        with pytest.raises(StoreUnavailableError, match="object store failed"):
            store.put("room/key", b"x")


class TestKeys:
    def test_a_key_is_made_of_the_content(self) -> None:
        """The same bytes always lie under the same key."""
        sha256 = sha256_hex(b"chromosome")

        assert f"crops/{sha256[:2]}/{sha256}.npz" == content_key("crops", sha256, ".npz")

    @pytest.mark.parametrize("digest", ["", "../../etc/passwd", "ABC", "0" * 63, "g" * 64])
    def test_nothing_but_a_digest_becomes_a_key(self, digest: str) -> None:
        """No client's text can choose a path."""
        with pytest.raises(ValueError, match="not a SHA-256"):
            content_key("originals", digest)

    def test_hashing_a_stream_leaves_it_at_its_start(self) -> None:
        """The stream can be stored right after it was hashed."""
        stream = io.BytesIO(b"chromosome")
        digest = sha256_of_stream(stream)

        assert sha256_hex(b"chromosome") == digest
        assert stream.read() == b"chromosome"
