from __future__ import annotations

from pathlib import Path

import pytest

from client.errors import ProblemError, UnexpectedAnswerError
from client.http import Client
from tests.fakes.tiny_service import Answer, TinyService, png, problem

REPORT = "/v1/jobs/job_1/quality"


class TestQuality:
    def test_is_read_whole(self, client: Client, service: TinyService) -> None:
        """Figures stay as they come, with names of pictures."""
        body = {
            "job_id": "job_1",
            "compared_with": "adir/1",
            "classifier": None,
            "figures": {"max_ssim": {"generated": {"p50": 0.5}}},
            "pictures": {"max_ssim": f"{REPORT}/max_ssim.png"},
        }
        service.first("GET", REPORT, Answer(body=body))

        found = client.quality("job_1")

        assert body == found.as_json()

    def test_says_why_there_is_none(self, client: Client, service: TinyService) -> None:
        """With the code that a program can tell from an unknown job."""
        service.first("GET", REPORT, problem(404, "quality_missing", "It runs still."))

        with pytest.raises(ProblemError, match="It runs still") as raised:
            client.quality("job_1")

        assert "quality_missing" == raised.value.problem_code

    def test_an_answer_without_a_yardstick_is_none(self, client: Client, service: TinyService) -> None:
        """Nobody knows what such figures mean."""
        service.first("GET", REPORT, Answer(body={"job_id": "job_1"}))

        with pytest.raises(UnexpectedAnswerError, match="compared_with"):
            client.quality("job_1")


class TestDownloads:
    def test_a_picture_of_the_report(self, client: Client, service: TinyService, tmp_path: Path) -> None:
        """It lies where it was asked for."""
        service.first("GET", f"{REPORT}/max_ssim.png", Answer(body=png(4, 4)))

        written = client.download_quality_picture("job_1", "max_ssim", tmp_path / "m.png")

        assert png(4, 4) == written.read_bytes()

    @pytest.mark.parametrize(("limit", "query"), [(None, {}), (6, {"limit": "6"})])
    def test_the_strip_of_samples(
        self, client: Client, service: TinyService, tmp_path: Path, limit: int | None, query: dict[str, str]
    ) -> None:
        """As many as were asked for, or as many as the service thinks right."""
        service.first("GET", "/v1/jobs/job_1/samples.png", Answer(body=png(4, 4)))

        written = client.download_samples("job_1", tmp_path / "s.png", limit=limit)

        assert written.is_file()
        assert query == service.requests[0].query
