from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from tests.fakes.tiny_service import TinyService, problem

Invoke = Callable[..., Result]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two good files and one that is cut short."""
    for name, content in (("a.tif", b"a"), ("b.tif", b"b"), ("c.tif", b"bad")):
        (tmp_path / name).write_bytes(content)
    return tmp_path


class TestUpload:
    def test_tells_what_became_of_each_file(self, invoke: Invoke, folder: Path) -> None:
        """A rejected file has its reason beside it, and the code says that a part failed."""
        result = invoke("upload", folder, "-s", "S1")

        assert result.exit_code == 3
        assert "c.tif is cut short." in result.stdout
        assert "2 stored, 0 duplicate, 1 rejected" in result.stderr

    def test_json_is_all_that_stdout_carries(self, invoke: Invoke, folder: Path) -> None:
        """A program reads stdout and finds one JSON document."""
        result = invoke("upload", folder / "a.tif", "-s", "S1", "--json")

        assert result.exit_code == 0
        assert json.loads(result.stdout)["image_ids"] == ["img_0000"]

    def test_is_refused_when_nothing_was_good(self, invoke: Invoke, folder: Path) -> None:
        """If every file was rejected there is nothing partial about it."""
        assert invoke("upload", folder / "c.tif", "-s", "S1").exit_code == 5

    def test_waits_for_the_job_that_it_starts(self, invoke: Invoke, folder: Path) -> None:
        """With --process and --wait the end of the job decides."""
        result = invoke(
            "upload", folder / "a.tif", "-s", "S1", "--process", "segmentation", "--wait", "--json"
        )

        assert result.exit_code == 0
        assert [job["status"] for job in json.loads(result.stdout)["jobs"]] == ["succeeded"]

    @pytest.mark.parametrize(
        "arguments",
        [
            ["--channels", "{"],
            ["--channels", '{"dapi": 1}', "--dapi", "*D.tif"],
            ["--metadata", "[1]"],
            ["--metadata", "{"],
            ["--process", "magic"],
        ],
    )
    def test_wrong_usage_sends_nothing(
        self, invoke: Invoke, service: TinyService, folder: Path, arguments: list[str]
    ) -> None:
        """Mistakes on the command line end with 2 before any request."""
        assert invoke("upload", folder, "-s", "S1", *arguments).exit_code == 2
        assert service.requests == []

    def test_a_missing_file_is_wrong_usage(self, invoke: Invoke, tmp_path: Path) -> None:
        """The path is named on stderr."""
        result = invoke("upload", tmp_path / "gone.tif", "-s", "S1")

        assert result.exit_code == 2
        assert "gone.tif" in result.stderr

    def test_a_refused_key_ends_with_5(self, invoke: Invoke, service: TinyService, folder: Path) -> None:
        """Authorization problems are refusals."""
        service.first("GET", "/v1/images", problem(401, "unauthorized", "Send an API key."))

        result = invoke("upload", folder, "-s", "S1")

        assert result.exit_code == 5
        assert "Send an API key. [401 unauthorized]" in result.stderr
