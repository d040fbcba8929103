from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from client.errors import LocalFileError, ProblemError, UnexpectedAnswerError
from client.http import Client
from tests.fakes.tiny_service import Answer, TinyService, problem

PATH = "/v1/datasets"
VERSION: dict[str, Any] = {"name": "adir", "version": 2, "sha256": "ab", "source": "import"}


class TestImportDataset:
    def test_sends_the_archive_and_what_is_said_of_it(
        self, client: Client, service: TinyService, tmp_path: Path
    ) -> None:
        """Fields that were not given are not sent; progress counts bytes."""
        (tmp_path / "a.zip").write_bytes(b"archive")
        service.first("POST", PATH, Answer(201, VERSION))
        sent: list[int] = []

        found = client.import_dataset(
            "adir", tmp_path / "a.zip", val_fraction=0.25, licence="CC0-1.0", on_progress=sent.append
        )

        form = {name: content for name, _, content in service.requests[0].form()}
        assert form == {"name": b"adir", "val_fraction": b"0.25", "licence": b"CC0-1.0", "file": b"archive"}
        assert (found.ref, sent[-1]) == ("adir/2", 7)

    def test_sends_it_whole_a_second_time(self, client: Client, service: TinyService, tmp_path: Path) -> None:
        """After a busy answer the same bytes travel under the same key."""
        (tmp_path / "a.zip").write_bytes(b"archive")
        service.first("POST", PATH, problem(503, "busy"), Answer(201, VERSION))

        client.import_dataset("adir", tmp_path / "a.zip")

        first, second = service.requests
        assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
        assert first.form() == second.form()

    def test_lists_what_is_wrong(self, client: Client, service: TinyService, tmp_path: Path) -> None:
        """Leakage is refused, with what overlaps."""
        (tmp_path / "a.zip").write_bytes(b"archive")
        errors = [{"field": "group A02", "message": "lies in train and test"}]
        service.first("POST", PATH, problem(422, "dataset_leakage", errors=errors))

        with pytest.raises(ProblemError, match=r"A02: lies in train and test"):
            client.import_dataset("adir", tmp_path / "a.zip")

    def test_says_that_the_archive_is_not_there(self, client: Client, tmp_path: Path) -> None:
        """Nothing is sent for a file that does not exist."""
        with pytest.raises(LocalFileError, match="no such file"):
            client.import_dataset("adir", tmp_path / "none.zip")


class TestFreezeDataset:
    def test_sends_one_selection(self, client: Client, service: TinyService) -> None:
        """What was not given is left out, so the service's defaults hold."""
        service.first("POST", PATH, Answer(201, VERSION))

        client.freeze_dataset("adir", samples=["S1", "S2"], splits={"train": ["A06"], "val": ["A04"]})

        assert json.loads(service.requests[0].body) == {
            "name": "adir",
            "samples": ["S1", "S2"],
            "splits": {"train": ["A06"], "val": ["A04"]},
        }


class TestReading:
    def test_follows_the_list(self, client: Client, service: TinyService) -> None:
        """Every version, page by page."""
        pages = [{"items": [VERSION | {"version": n}], "next_cursor": "c" if n < 2 else None} for n in (1, 2)]
        service.first("GET", PATH, *(Answer(body=page) for page in pages))

        assert [found.ref for found in client.datasets()] == ["adir/1", "adir/2"]

    def test_gives_all_versions_of_a_name(self, client: Client, service: TinyService) -> None:
        """Oldest first, as they come."""
        service.first("GET", f"{PATH}/adir", Answer(body={"name": "adir", "versions": [VERSION]}))

        assert [found.version for found in client.dataset_versions("adir")] == [2]

    def test_refuses_versions_that_are_none(self, client: Client, service: TinyService) -> None:
        """An answer of another shape is named."""
        service.first("GET", f"{PATH}/adir", Answer(body=[]))

        with pytest.raises(UnexpectedAnswerError, match="no versions"):
            client.dataset_versions("adir")

    def test_lists_items(self, client: Client, service: TinyService) -> None:
        """Class, split and group of each crop."""
        item = {"crop_id": "crop_1", "class": "aberration", "split": "val", "group": "A04"}
        service.first("GET", f"{PATH}/adir/2/items", Answer(body={"items": [item], "next_cursor": None}))

        (found,) = client.dataset_items("adir", 2)

        assert (found.item_class, found.split, found.group) == ("aberration", "val", "A04")

    def test_saves_an_export(self, client: Client, service: TinyService, tmp_path: Path) -> None:
        """The ZIP lies where it was asked for."""
        service.first("GET", f"{PATH}/adir/2/export", Answer(body=b"PK"))

        assert client.export_dataset("adir", 2, tmp_path / "a.zip").read_bytes() == b"PK"
