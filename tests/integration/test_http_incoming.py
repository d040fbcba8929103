"""Large files that are sent ahead: to this service, which passes them on to a store that cannot sign."""

from __future__ import annotations

import threading
import time
import uuid
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import update

from api.wiring import Wiring
from services import audit
from services.auth import LOCAL_CALLER
from services.clock import utc_now
from services.db.tables import UploadRow
from services.incoming.errors import UploadUsedError
from services.incoming.expiry import GRACE, keep_removing, remove_expired, running_remover
from services.incoming.repository import IncomingRepository
from services.storage.keys import incoming_key
from tests.support.datasets import labelled_archive, new_name
from tests.support.fleet import eventually
from tests.support.http import Guarded, tiff_bytes
from tests.support.promised import promise, send, sent, take

pytestmark = pytest.mark.integration


@pytest.fixture
def sample() -> str:
    return f"S-{uuid.uuid4()}"


def expire(wiring: Wiring, upload_id: str, ago: timedelta) -> None:
    """Let an upload have expired some time ago."""
    with wiring.sessions.begin() as session:
        expired_at = utc_now() - ago
        session.execute(update(UploadRow).where(UploadRow.id == upload_id).values(expires_at=expired_at))


class TestPromising:
    def test_answer_says_where_to_send_it(self, client: httpx.Client) -> None:
        """A folder cannot sign: the service takes the file itself, at an address of its own."""
        answer = client.post("/v1/uploads", json={"filename": "C:\\scans\\m1.tif", "size_bytes": 7})
        promised = answer.json()

        assert (201, f"/v1/uploads/{promised['id']}") == (answer.status_code, answer.headers["location"])
        assert f"/v1/uploads/{promised['id']}/content" == promised["url"]
        assert ("m1.tif", 7, "waiting", "PUT") == tuple(
            promised[name] for name in ("filename", "size_bytes", "state", "method")
        )

    @pytest.mark.parametrize(
        ("told", "status", "code"),
        [
            ({"size_bytes": 0}, 422, "invalid_input"),
            ({"size_bytes": 1.5}, 422, "invalid_input"),
            ({"size_bytes": 4 * 1024**2 + 1}, 413, "too_large"),
            ({"size_bytes": 2**70}, 422, "invalid_input"),
            ({"filename": ""}, 422, "invalid_input"),
            ({"key": "originals/aa/x"}, 422, "invalid_input"),
        ],
    )
    def test_what_could_not_be_used_is_refused(
        self, client: httpx.Client, told: dict[str, object], status: int, code: str
    ) -> None:
        """A file that no request could carry is not promised, and nobody chooses a key."""
        answer = client.post("/v1/uploads", json={"filename": "a.tif", "size_bytes": 9, **told})

        assert (status, code) == (answer.status_code, answer.json()["code"])

    def test_repeated_promise_is_the_same(self, client: httpx.Client) -> None:
        """A promise that is repeated with its Idempotency-Key gives the same id."""
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        body = {"filename": "a.tif", "size_bytes": 9}
        first, second = (client.post("/v1/uploads", json=body, headers=headers).json() for _ in range(2))

        assert first == second


class TestSending:
    def test_state_follows_the_bytes(self, client: httpx.Client, wiring: Wiring, sample: str) -> None:
        """An upload is waiting, received and used, and each step is in the audit trail."""
        content = tiff_bytes(1)
        promised = promise(client, content)
        path = f"/v1/uploads/{promised['id']}"
        states = [client.get(path).json()["state"]]
        send(client, promised, content)
        states.append(client.get(path).json()["state"])
        batch = take(client, sample, [promised["id"]]).json()
        used = client.get(path).json()
        with wiring.readers() as session:
            trail = [row.action for row in audit.history(session, promised["id"])]

        assert ["waiting", "received"] == states
        assert ["stored"] == [item["status"] for item in batch["items"]]
        assert ("used", None, None) == (used["state"], used["url"], used["method"])
        assert ["upload.promised", "upload.received"] == trail
        assert not wiring.store.exists(incoming_key(promised["id"]))

    @pytest.mark.parametrize(("change", "status"), [(b"", 422), (b"more", 413)])
    def test_other_sizes_are_refused(self, client: httpx.Client, change: bytes, status: int) -> None:
        """Bytes that are not as many as were promised are not stored."""
        content = tiff_bytes(2)
        promised = promise(client, content)
        answer = send(client, promised, content + change if change else content[:-1])

        assert status == answer.status_code
        assert "waiting" == client.get(f"/v1/uploads/{promised['id']}").json()["state"]

    def test_body_without_a_length_is_bounded(self, client: httpx.Client) -> None:
        """A chunked body that goes on is cut off as soon as it is longer than promised."""
        promised = promise(client, b"123")
        answer = client.put(
            promised["url"], content=iter([b"12", b"34", b"5" * 2**20]), headers=promised["headers"]
        )

        assert (413, "too_large") == (answer.status_code, answer.json()["code"])

    def test_form_is_not_taken_for_the_file(self, client: httpx.Client) -> None:
        """A client that sends a form by mistake is told, and its boundary is not stored."""
        promised = promise(client, b"123")
        answer = client.put(promised["url"], files={"file": b"123"})

        assert 415 == answer.status_code


class TestTaking:
    def test_files_and_uploads_come_together(self, client: httpx.Client, sample: str) -> None:
        """One batch may have files of both kinds; a repetition is a duplicate, whichever way it came."""
        upload_id = sent(client, tiff_bytes(3), "large.tif")
        batch = take(client, sample, [upload_id], files={"small.tif": tiff_bytes(4)}).json()
        again = take(client, sample, [sent(client, tiff_bytes(4))]).json()

        assert {"large.tif": "stored", "small.tif": "stored"} == {
            item["filename"]: item["status"] for item in batch["items"]
        }
        assert "duplicate" == again["items"][0]["status"]

    def test_incomplete_upload_rejects_itself(self, client: httpx.Client, sample: str) -> None:
        """What was promised and never sent is an item with a reason; sent later, it can be named again."""
        content = tiff_bytes(5)
        promised = promise(client, content, "late.tif")
        batch = take(client, sample, [promised["id"]], files={"other.tif": tiff_bytes(6)}).json()
        send(client, promised, content)
        again = take(client, sample, [promised["id"]]).json()
        status = {item["filename"]: item["status"] for item in batch["items"]}
        (late,) = [item for item in batch["items"] if item["filename"] == "late.tif"]

        assert {"late.tif": "rejected", "other.tif": "stored"} == status
        assert "upload_incomplete" == late["error"]["code"]
        assert "stored" == again["items"][0]["status"]

    def test_object_of_another_size_is_not_read(
        self, client: httpx.Client, wiring: Wiring, sample: str
    ) -> None:
        """Whoever writes to the store directly cannot send more than was promised."""
        promised = promise(client, tiff_bytes(7))
        wiring.store.put(incoming_key(promised["id"]), tiff_bytes(7, shape=(900, 900)))
        (item,) = take(client, sample, [promised["id"]]).json()["items"]

        assert ("rejected", "upload_incomplete") == (item["status"], item["error"]["code"])

    def test_used_upload_is_gone(self, client: httpx.Client, sample: str) -> None:
        """An upload serves once, and its bytes cannot be sent again."""
        content = tiff_bytes(8)
        promised = promise(client, content)
        send(client, promised, content)
        take(client, sample, [promised["id"]])
        named, resent = take(client, sample, [promised["id"]]), send(client, promised, content)

        assert (409, "upload_used") == (named.status_code, named.json()["code"])
        assert (409, "upload_used") == (resent.status_code, resent.json()["code"])

    def test_expired_upload_is_refused(self, client: httpx.Client, wiring: Wiring, sample: str) -> None:
        """After its time an upload is told to be expired, and is neither taken nor received."""
        content = tiff_bytes(9)
        promised = promise(client, content)
        expire(wiring, promised["id"], timedelta(seconds=1))
        named, resent = take(client, sample, [promised["id"]]), send(client, promised, content)

        assert "expired" == client.get(f"/v1/uploads/{promised['id']}").json()["state"]
        assert (409, "upload_expired") == (named.status_code, named.json()["code"])
        assert (409, "upload_expired") == (resent.status_code, resent.json()["code"])

    @pytest.mark.parametrize(
        ("ids", "status", "code"),
        [
            (["upl_01k9zt3v5e8w2hq4x7c1n6m0ba"], 404, "not_found"),
            (["../originals/aa/x"], 422, "invalid_input"),
            (["upl_01k9zt3v5e8w2hq4x7c1n6m0ba"] * 2, 422, "invalid_input"),
            (["upl_01k9zt3v5e8w2hq4x7c1n6m0ba"] * 21, 413, "too_many_files"),
        ],
    )
    def test_wrong_names_refuse_the_request(
        self, client: httpx.Client, sample: str, ids: list[str], status: int, code: str
    ) -> None:
        """An id that is nobody's, no id at all, or one named twice: nothing is stored."""
        answer = take(client, sample, ids, files={"a.tif": tiff_bytes()})

        assert (status, code) == (answer.status_code, answer.json()["code"])
        assert [] == client.get("/v1/batches", params={"sample": sample}).json()["items"]

    def test_uploads_are_no_way_around_the_bounds(self, client: httpx.Client, sample: str) -> None:
        """What a request names counts towards what a request may carry."""
        ids = [promise(client, bytes(2**21), f"{number}.tif")["id"] for number in range(3)]
        answer = take(client, sample, ids)

        assert (413, "too_large") == (answer.status_code, answer.json()["code"])

    def test_repeated_batch_gives_the_first_answer(self, client: httpx.Client, sample: str) -> None:
        """A repeated batch is not refused because its uploads are used by now; one with other ids is."""
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        upload_id, other = sent(client, tiff_bytes(10)), sent(client, tiff_bytes(11))
        first, second = (take(client, sample, [upload_id], headers=headers) for _ in range(2))
        third = take(client, sample, [other], headers=headers)

        assert (201, first.json()) == (second.status_code, second.json())
        assert (422, "idempotency_key_reused") == (third.status_code, third.json()["code"])

    def test_two_requests_cannot_take_the_same_upload(self, client: httpx.Client, wiring: Wiring) -> None:
        """Whoever commits second is refused, and what it did with the bytes is rolled back."""
        upload_id = sent(client, tiff_bytes(16))
        (source,) = wiring.incoming.sources([upload_id], LOCAL_CALLER, max_bytes=2**20)
        with source.opened(), wiring.sessions.begin() as session:
            IncomingRepository(session).mark_used([upload_id])

        with pytest.raises(UploadUsedError), wiring.sessions.begin() as session:
            wiring.incoming.use([source], session)

    def test_failed_batch_leaves_the_upload(self, client: httpx.Client, wiring: Wiring, sample: str) -> None:
        """When the request as a whole is refused, the upload can be named in a better one."""
        upload_id = sent(client, tiff_bytes(12))
        refused = take(client, "", [upload_id])
        with wiring.sessions() as session:  # another request takes it, and fails before it commits
            assert {upload_id} == IncomingRepository(session).mark_used([upload_id])
            session.rollback()

        assert 422 == refused.status_code
        assert "stored" == take(client, sample, [upload_id]).json()["items"][0]["status"]

    def test_other_callers_uploads_do_not_exist(self, guarded: Guarded, sample: str) -> None:
        """A key can neither see, send nor use what another key promised; an administrator can."""
        with guarded.client() as admin:
            keys = [
                admin.post("/v1/keys", json={"name": str(uuid.uuid4()), "scopes": ["submit"]}).json()["key"]
                for _ in range(2)
            ]
            content = tiff_bytes(13)
            with guarded.client(keys[0]) as mine, guarded.client(keys[1]) as theirs:
                promised = promise(mine, content)
                refused = [
                    theirs.get(f"/v1/uploads/{promised['id']}"),
                    send(theirs, promised, content),
                    take(theirs, sample, [promised["id"]]),
                ]
                send(mine, promised, content)
            taken = take(admin, sample, [promised["id"]])

        assert [404] * 3 == [answer.status_code for answer in refused]
        assert 201 == taken.status_code


class TestOthers:
    def test_data_set_takes_an_upload(self, client: httpx.Client) -> None:
        """The ZIP of a data set may have been sent ahead."""
        upload_id = sent(client, labelled_archive(71), "set.zip")
        answer = client.post(
            "/v1/datasets", data={"name": new_name()}, files=[("uploads", (None, upload_id))]
        )

        assert 201 == answer.status_code, answer.text
        assert "used" == client.get(f"/v1/uploads/{upload_id}").json()["state"]

    def test_artifact_takes_an_upload(self, client: httpx.Client) -> None:
        """Weights may have been sent ahead; the job that reads them knows their name."""
        upload_id = sent(client, b"weights", "w.safetensors")
        answer = client.post(
            "/v1/artifacts/segmenter", data={"name": "ours"}, files=[("uploads", (None, upload_id))]
        )

        assert 202 == answer.status_code, answer.text
        assert "w.safetensors" == answer.json()["inputs"]["filename"]

    @pytest.mark.parametrize("path", ["/v1/datasets", "/v1/artifacts/segmenter"])
    def test_incomplete_upload_is_a_conflict(self, client: httpx.Client, path: str) -> None:
        """Where the one file is missing there is nothing to do, and it can be sent and named again."""
        promised = promise(client, b"weights")
        answer = client.post(path, data={"name": "ours"}, files=[("uploads", (None, promised["id"]))])

        assert (409, "upload_incomplete") == (answer.status_code, answer.json()["code"])

    @pytest.mark.parametrize("path", ["/v1/datasets", "/v1/artifacts/segmenter"])
    def test_one_file_is_enough(self, client: httpx.Client, path: str) -> None:
        """A file and an upload, or two uploads, where one is wanted are too many."""
        parts = [("uploads", (None, "upl_01k9zt3v5e8w2hq4x7c1n6m0ba")), ("file", ("a", b"x"))]
        answer = client.post(path, data={"name": "ours"}, files=parts)

        assert (413, "too_many_files") == (answer.status_code, answer.json()["code"])


class TestExpiry:
    def test_what_nobody_took_is_removed(self, client: httpx.Client, wiring: Wiring) -> None:
        """Long after their end object and row are gone; what may still be on its way stays."""
        old, late = sent(client, tiff_bytes(14)), sent(client, tiff_bytes(15))
        expire(wiring, old, GRACE + timedelta(seconds=1))
        expire(wiring, late, GRACE - timedelta(minutes=1))
        removed = remove_expired(wiring.sessions, wiring.store)

        assert removed >= 1
        assert 404 == client.get(f"/v1/uploads/{old}").status_code
        assert not wiring.store.exists(incoming_key(old))
        assert "expired" == client.get(f"/v1/uploads/{late}").json()["state"]
        assert wiring.store.exists(incoming_key(late))

    def test_sweeper_removes_by_the_way(self, client: httpx.Client, wiring: Wiring) -> None:
        """The sweeper's thread does it without being asked, and ends when the sweeper does."""
        old, stop = sent(client, tiff_bytes(17)), threading.Event()
        expire(wiring, old, GRACE + timedelta(seconds=1))
        with running_remover(wiring.settings, stop):
            eventually(
                lambda: client.get(f"/v1/uploads/{old}").status_code == 404 or None, "an upload to be removed"
            )

        assert stop.is_set()
        assert not wiring.store.exists(incoming_key(old))

    def test_store_that_is_away_is_asked_again(
        self, client: httpx.Client, wiring: Wiring, tmp_path: Path
    ) -> None:
        """A store that cannot be opened costs a warning; the row waits, and goes when the store is back."""
        old, stop = sent(client, tiff_bytes(18)), threading.Event()
        expire(wiring, old, GRACE + timedelta(seconds=1))
        in_the_way = tmp_path / "objects"
        in_the_way.write_text("a file where the folder should be")
        arguments = (wiring.sessions, (in_the_way / "below").as_uri(), stop, 0.01)
        thread = threading.Thread(target=keep_removing, args=arguments)
        thread.start()
        time.sleep(0.1)
        waiting = client.get(f"/v1/uploads/{old}").json()["state"]
        in_the_way.unlink()
        eventually(lambda: client.get(f"/v1/uploads/{old}").status_code == 404 or None, "the row to go")
        stop.set()
        thread.join()

        assert "expired" == waiting
