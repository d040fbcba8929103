from __future__ import annotations

import json
from pathlib import Path

import pytest

from client.errors import LocalFileError, UnexpectedAnswerError
from client.http import Client
from tests.fakes.tiny_service import Answer, TinyService, crop, image, job


class TestClient:
    def test_follows_cursors(self, client: Client, service: TinyService) -> None:
        """A list is read to its end, page by page."""
        service.crops = [crop(f"crop_{n}") for n in range(5)]

        assert [f"crop_{n}" for n in range(5)] == [crop.id for crop in client.crops(job="job_1")]
        assert len(service.seen("GET", "/v1/crops")) == 3

    def test_reads_no_more_pages_than_needed(self, client: Client, service: TinyService) -> None:
        """A caller that stops early costs one page."""
        service.crops = [crop(f"crop_{n}") for n in range(5)]

        next(client.crops())

        assert len(service.seen("GET", "/v1/crops")) == 1

    def test_keeps_members_it_does_not_know(self, client: Client, service: TinyService) -> None:
        """A newer service's additions pass through unharmed."""
        service.images = [image("img_0", "S1", "a.tif", "0" * 64)]

        assert client.image("img_0").as_json()["from_the_future"] is True

    def test_says_what_is_missing_in_an_answer(self, client: Client, service: TinyService) -> None:
        """An answer that breaks the contract is named, not half used."""
        service.first("GET", "/v1/jobs/j", Answer(body={"id": "j", "kind": "segmentation"}))

        with pytest.raises(UnexpectedAnswerError, match="Job: status"):
            client.job("j")

    def test_refuses_a_list_that_is_none(self, client: Client, service: TinyService) -> None:
        """A list without items is no list."""
        service.first("GET", "/v1/crops", Answer(body=[]))

        with pytest.raises(UnexpectedAnswerError, match="no list"):
            list(client.crops())

    def test_class_is_a_word_of_python(self, client: Client, service: TinyService) -> None:
        """The filter `class_` travels as `class`."""
        list(client.crops(class_="normal"))

        assert service.requests[0].query["class"] == "normal"

    def test_leaves_out_what_was_not_given(self, client: Client, service: TinyService) -> None:
        """Parameters that are None are not sent, so the service's defaults hold."""
        client.submit("segmentation", sample="S1", segmenter=None)

        assert json.loads(service.requests[0].body) == {"kind": "segmentation", "sample": "S1"}

    def test_takes_address_and_key_from_the_environment(
        self, service: TinyService, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A script needs no arguments where the environment says it all."""
        monkeypatch.setenv("KARYOBRIDGE_URL", service.url)
        monkeypatch.setenv("KARYOBRIDGE_API_KEY", "kb_env")

        with Client() as client:
            assert client.health().ready

        assert service.requests[0].headers["authorization"] == "Bearer kb_env"

    def test_being_away_is_an_answer_of_health(
        self, client: Client, service: TinyService, sleeps: list[float]
    ) -> None:
        """A 503 of the readiness check says what is missing, at once."""
        parts = [{"name": "broker", "ok": False, "detail": "refused"}]
        service.first("GET", "/readyz", Answer(503, {"ready": False, "parts": parts}))

        health = client.health()

        assert (health.ready, health.parts[0].name) == (False, "broker")
        assert sleeps == []

    def test_uploads_weights(self, client: Client, service: TinyService, tmp_path: Path) -> None:
        """The file and what is said of it arrive; the job that imports it comes back."""
        (tmp_path / "w.safetensors").write_bytes(b"weights")
        service.first("POST", "/v1/artifacts/segmenter", Answer(202, job("job_9", "queued")))
        sent: list[int] = []

        imported = client.upload_artifact(
            "segmenter", "ours", tmp_path / "w.safetensors", licence="CC0-1.0", on_progress=sent.append
        )

        form = {name: content for name, _, content in service.requests[0].form()}
        assert form == {"name": b"ours", "licence": b"CC0-1.0", "file": b"weights"}
        assert (imported.id, sent[-1]) == ("job_9", 7)

    def test_says_that_the_weights_are_not_there(self, client: Client, tmp_path: Path) -> None:
        """Nothing is sent for a file that does not exist."""
        with pytest.raises(LocalFileError, match="no such file"):
            client.upload_artifact("segmenter", "ours", tmp_path / "none")
