from __future__ import annotations

import json
from pathlib import Path

import pytest

from client.errors import ProblemError, UnexpectedAnswerError
from client.generated import save_generated
from client.http import Client
from client.records import Quality
from tests.fakes.tiny_service import Answer, TinyService, png, problem

STRIP = "/v1/jobs/job_1/samples.png"


def report(*names: str) -> Quality:
    """A report with pictures of these names."""
    return Quality(
        job_id="job_1",
        compared_with="adir/1",
        figures={"signs_of_collapse": []},
        pictures={name: f"/v1/jobs/job_1/quality/{name}.png" for name in names},
    )


@pytest.fixture
def drawing(service: TinyService) -> TinyService:
    """A service that has the strip and two pictures of a report."""
    for path in (STRIP, "/v1/jobs/job_1/quality/samples.png", "/v1/jobs/job_1/quality/max_ssim.png"):
        service.first("GET", path, Answer(body=png(4, 4)))
    return service


class TestSaveGenerated:
    @pytest.mark.usefixtures("drawing")
    def test_saves_strip_figures_and_pictures(self, client: Client, tmp_path: Path) -> None:
        """A picture of the report that is called as the strip does not replace it."""
        files = save_generated(client, "job_1", tmp_path / "out", report("samples", "max_ssim"))

        assert ["samples.png", "quality.json", "quality/max_ssim.png", "quality/samples.png"] == [
            file.relative_to(tmp_path / "out").as_posix() for file in files
        ]
        assert all(file.is_file() for file in files)
        assert "adir/1" == json.loads(files[1].read_text())["compared_with"]

    def test_saves_the_strip_alone_without_a_report(
        self, client: Client, drawing: TinyService, tmp_path: Path
    ) -> None:
        """Nothing else is asked for."""
        files = save_generated(client, "job_1", tmp_path, None)

        assert [tmp_path / "samples.png"] == files
        assert [STRIP] == [request.path for request in drawing.requests]

    @pytest.mark.parametrize("name", ["../evil", "", "a/b", "C:x"])
    def test_writes_nowhere_else(
        self, client: Client, service: TinyService, tmp_path: Path, name: str
    ) -> None:
        """A picture whose name is a path is refused before anything is fetched."""
        with pytest.raises(UnexpectedAnswerError, match="no file name"):
            save_generated(client, "job_1", tmp_path / "out", report(name))

        assert service.requests == []
        assert list(tmp_path.iterdir()) == []

    def test_says_that_nothing_was_generated(
        self, client: Client, service: TinyService, tmp_path: Path
    ) -> None:
        """The service's word is passed on."""
        service.first("GET", STRIP, problem(404, "samples_missing", "Job job_1 has made no synthetic crops."))

        with pytest.raises(ProblemError, match="made no synthetic crops"):
            save_generated(client, "job_1", tmp_path, None)
