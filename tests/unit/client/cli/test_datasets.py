from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from tests.fakes.tiny_service import Answer, TinyService, problem

Invoke = Callable[..., Result]

PATH = "/v1/datasets"
VERSION: dict[str, Any] = {
    "name": "adir",
    "version": 2,
    "sha256": "ab" * 32,
    "source": "annotations",
    "items": 330,
    "counts": {"train": {"normal": 200, "aberration": 20, "unlabelled": 0}, "val": {"normal": 110}},
    "groups": {"train": {"count": 2, "names": ["A06", "A20"]}},
    "warnings": ["2 items are the same."],
    "left_out": {"excluded": 3},
    "licence": "CC0-1.0",
}


class TestList:
    def test_counts_classes_per_split(self, invoke: Invoke, service: TinyService) -> None:
        """A row per version; empty classes are not mentioned."""
        service.first("GET", PATH, Answer(body={"items": [VERSION], "next_cursor": None}))

        stdout = invoke("datasets", "list").stdout

        assert "200 normal, 20 aberration" in stdout
        assert "unlabelled" not in stdout


class TestShow:
    def test_a_bare_name_is_its_newest_version(self, invoke: Invoke, service: TinyService) -> None:
        """With slides, what was left out, and warnings on stderr."""
        old = VERSION | {"version": 1}
        service.first("GET", f"{PATH}/adir", Answer(body={"name": "adir", "versions": [old, VERSION]}))

        result = invoke("datasets", "show", "adir")

        assert {"adir/2", "A06,", "A20"} <= set(result.stdout.split())
        assert "left out: excluded" in result.stdout
        assert "Warning: 2 items are the same." in result.stderr

    def test_shows_one_version_as_json(self, invoke: Invoke, service: TinyService) -> None:
        """Every member that the service told."""
        service.first("GET", f"{PATH}/adir/2", Answer(body=VERSION | {"new": 1}))

        assert json.loads(invoke("datasets", "show", "adir/2", "--json").stdout)["new"] == 1

    @pytest.mark.parametrize("ref", ["adir/production", "/1", "adir/", "adir/1/2"])
    def test_refuses_references_that_are_none(self, invoke: Invoke, service: TinyService, ref: str) -> None:
        """Data sets have numbers and no aliases."""
        assert invoke("datasets", "show", ref).exit_code == 2
        assert service.requests == []


class TestCreate:
    def test_imports_a_zip(self, invoke: Invoke, service: TinyService, tmp_path: Path) -> None:
        """The archive and what is said of it are sent as a form."""
        (tmp_path / "a.zip").write_bytes(b"PK")
        service.first("POST", PATH, Answer(201, VERSION))

        result = invoke("datasets", "create", "adir", tmp_path / "a.zip", "--group-pattern", "{group}_*")

        form = {name: content for name, _, content in service.requests[0].form()}
        assert form == {"name": b"adir", "group_pattern": b"{group}_*", "file": b"PK"}
        assert (result.exit_code, "adir/2" in result.stdout) == (0, True)

    def test_freezes_samples_split_by_slides(self, invoke: Invoke, service: TinyService) -> None:
        """Options are lists: repeat them."""
        service.first("POST", PATH, Answer(201, VERSION))

        invoke(
            *("datasets", "create", "adir", "-s", "S1", "-s", "S2", "--train", "A06", "--train", "A20"),
            *("--val", "A04", "--include-unlabelled"),
        )

        assert json.loads(service.requests[0].body) == {
            "name": "adir",
            "samples": ["S1", "S2"],
            "splits": {"train": ["A06", "A20"], "val": ["A04"]},
            "include_unlabelled": True,
        }

    def test_freezes_a_job_split_by_shares(self, invoke: Invoke, service: TinyService) -> None:
        """Fractions and a seed instead of slides."""
        service.first("POST", PATH, Answer(201, VERSION))

        invoke("datasets", "create", "adir", "--job", "job_1", "--val-fraction", "0.25", "--seed", "0")

        body = json.loads(service.requests[0].body)
        assert (body["job_ids"], body["splits"]) == (["job_1"], {"val_fraction": 0.25, "seed": 0})

    @pytest.mark.parametrize(
        "arguments",
        [
            [],
            ["a.zip", "-s", "S1"],
            ["a.zip", "--train", "A06"],
            ["-s", "S1", "--job", "job_1"],
            ["-s", "S1", "--group-pattern", "{group}_*"],
            ["-s", "S1", "--train", "A06", "--val-fraction", "0.2"],
            ["none.zip"],
        ],
    )
    def test_wrong_usage_sends_nothing(
        self, invoke: Invoke, service: TinyService, arguments: list[str]
    ) -> None:
        """A ZIP or one selection, slides or shares."""
        assert invoke("datasets", "create", "adir", *arguments).exit_code == 2
        assert service.requests == []

    def test_leakage_is_a_refusal(self, invoke: Invoke, service: TinyService) -> None:
        """With what overlaps on stderr."""
        errors = [{"field": "A02", "message": "lies in train and test"}]
        service.first("POST", PATH, problem(422, "dataset_leakage", errors=errors))

        result = invoke("datasets", "create", "adir", "-s", "S1")

        assert result.exit_code == 5
        assert "A02: lies in train and test" in result.stderr


class TestExport:
    def test_saves_the_newest_version(self, invoke: Invoke, service: TinyService, tmp_path: Path) -> None:
        """And says which one that was."""
        service.first("GET", f"{PATH}/adir", Answer(body={"name": "adir", "versions": [VERSION]}))
        service.first("GET", f"{PATH}/adir/2/export", Answer(body=b"PK"))

        told = json.loads(invoke("datasets", "export", "adir", tmp_path / "a.zip", "--json").stdout)

        assert (told["dataset"], told["size_bytes"]) == ("adir/2", 2)
