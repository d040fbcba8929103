from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from tests.fakes.tiny_service import Answer, TinyService

Invoke = Callable[..., Result]

ANNOTATIONS = "/v1/crops/annotations"


class TestAnnotate:
    def test_gives_crops_one_class(self, invoke: Invoke, service: TinyService) -> None:
        """Each crop that was named."""
        service.first("PUT", ANNOTATIONS, Answer(body={"annotated": 2}))

        result = invoke("annotate", "crop_1", "crop_2", "--class", "excluded", "-a", "m.koch", "--json")

        sent = json.loads(service.requests[0].body)["annotations"]
        assert [(one["crop_id"], one["class"], one["annotator"]) for one in sent] == [
            ("crop_1", "excluded", "m.koch"),
            ("crop_2", "excluded", "m.koch"),
        ]
        assert json.loads(result.stdout) == {"annotated": 2}

    def test_sends_a_table(self, invoke: Invoke, service: TinyService, tmp_path: Path) -> None:
        """What was filled in, and nothing else."""
        (tmp_path / "crops.csv").write_text("crop_id,class\ncrop_1,normal\ncrop_2,\n")
        service.first("PUT", ANNOTATIONS, Answer(body={"annotated": 1}))

        assert invoke("annotate", "--from", tmp_path / "crops.csv", "-a", "m.koch").exit_code == 0
        assert len(json.loads(service.requests[0].body)["annotations"]) == 1

    @pytest.mark.parametrize(
        "arguments",
        [
            ["-a", "m.koch"],
            ["crop_1", "-a", "m.koch"],
            ["crop_1", "--class", "normal"],
            ["crop_1", "--class", "odd", "-a", "m.koch"],
            ["crop_1", "--class", "normal", "--from", "crops.csv", "-a", "m.koch"],
            ["--class", "normal", "--from", "crops.csv", "-a", "m.koch"],
            ["--from", "none.csv", "-a", "m.koch"],
        ],
    )
    def test_wrong_usage_sends_nothing(
        self, invoke: Invoke, service: TinyService, arguments: list[str]
    ) -> None:
        """Crops and a class, or a table; and always who says so."""
        assert invoke("annotate", *arguments).exit_code == 2
        assert service.requests == []

    def test_an_empty_table_is_wrong_usage(
        self, invoke: Invoke, service: TinyService, tmp_path: Path
    ) -> None:
        """A column that nobody filled in is said."""
        (tmp_path / "crops.csv").write_text("crop_id,class\ncrop_1,\n")

        result = invoke("annotate", "--from", tmp_path / "crops.csv", "-a", "m.koch")

        assert (result.exit_code, service.requests) == (2, [])
        assert "no verdict" in result.stderr


class TestSuggest:
    def test_tells_reasons(self, invoke: Invoke, service: TinyService) -> None:
        """Each in words."""
        reasons = [{"code": "out_of_focus", "detail": "Blurred.", "value": -4.0, "limit": -3.5}]
        page = {"items": [{"crop_id": "crop_1", "reasons": reasons}], "next_cursor": None}
        service.first("GET", "/v1/crops/suggestions", Answer(body=page))

        assert "out_of_focus: Blurred." in invoke("suggest", "--job", "job_1").stdout

    @pytest.mark.parametrize("arguments", [[], ["--job", "job_1", "-s", "S1"]])
    def test_none_or_two_selections_are_wrong_usage(self, invoke: Invoke, arguments: list[str]) -> None:
        """Suggestions compare crops of one selection."""
        assert invoke("suggest", *arguments).exit_code == 2


class TestSimilar:
    def test_lists_the_nearest_first(self, invoke: Invoke, service: TinyService) -> None:
        """With distance and probability."""
        items = [{"crop_id": f"crop_{n}", "distance": n + 0.25, "class": None} for n in range(2)]
        service.first("GET", "/v1/crops/crop_9/similar", Answer(body={"items": items}))

        stdout = invoke("similar", "crop_9", "-k", "2").stdout

        assert [line.split()[:2] for line in stdout.splitlines()[1:]] == [
            ["crop_0", "0.25"],
            ["crop_1", "1.25"],
        ]


class TestPredictions:
    def test_saves_a_table(self, invoke: Invoke, service: TinyService, tmp_path: Path) -> None:
        """The file's suffix says which."""
        service.first("GET", "/v1/jobs/job_1/predictions.parquet", Answer(body=b"PAR1"))

        result = invoke("predictions", "job_1", tmp_path / "p.parquet", "--embeddings", "--json")

        assert json.loads(result.stdout)["size_bytes"] == 4
        assert service.requests[0].query == {"embeddings": "true"}

    def test_refuses_other_tables(self, invoke: Invoke, tmp_path: Path) -> None:
        """A spreadsheet's own format is not offered."""
        assert invoke("predictions", "job_1", tmp_path / "p.xlsx").exit_code == 2
