"""The development data set, built over HTTP from tables, pictures and masks."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from api.wiring import Wiring
from benchmarks.development_set.__main__ import compare
from benchmarks.development_set.building import Builder, BuildError
from benchmarks.development_set.tables import Slide, expected_counts, read_slides
from client.http import Client
from client.records import Job
from services.artifacts.shipped import register_shipped
from tests.support.jobs import run_here
from tests.support.metaphases import write_metaphases

pytestmark = pytest.mark.integration


class WorkingClient(Client):
    """A client whose jobs run in the test's own process when it waits for them."""

    def __init__(self, url: str, wiring: Wiring) -> None:
        super().__init__(url)
        self.wiring = wiring
        self.ran: list[str] = []

    def wait(
        self, job_id: str, on_progress: Callable[[Job], None] | None = None, *, timeout_s: float | None = None
    ) -> Job:
        """Run the job unless it has ended."""
        if not self.job(job_id).ended:
            run_here(self.wiring, job_id)
            self.ran.append(job_id)
        return super().wait(job_id, on_progress, timeout_s=timeout_s)


@pytest.fixture
def client(address: str, wiring: Wiring) -> Iterator[WorkingClient]:
    register_shipped(wiring.sessions, wiring.store)
    with WorkingClient(address, wiring) as opened:
        yield opened


@pytest.fixture
def name() -> str:
    return f"adir-{uuid.uuid4().hex[:8]}"


def slides_in(folder: Path, *, undrawn: bool = False) -> list[Slide]:
    return read_slides(write_metaphases(folder, undrawn=undrawn))


class TestBuilder:
    def test_freezes_what_the_tables_say(self, client: WorkingClient, name: str, tmp_path: Path) -> None:
        """Each view of each labelled chromosome is an item in its slide's split, and no other crop is."""
        slides = slides_in(tmp_path)
        told: list[str] = []
        version = Builder(client, name, advance=told.append).build(slides)

        assert (name, 1) == (version["name"], version["version"])
        assert compare(version["counts"], expected_counts(slides))
        assert {"train": 1, "val": 1, "test": 1} == {
            split: group["count"] for split, group in version["groups"].items()
        }
        assert Builder.steps(slides, unlabelled=False) == len(told)

    def test_a_second_run_changes_nothing(self, client: WorkingClient, name: str, tmp_path: Path) -> None:
        """No image, job, mask, verdict or version comes twice."""
        slides = slides_in(tmp_path)
        first = Builder(client, name).build(slides)
        ran = list(client.ran)
        second = Builder(client, name).build(slides)
        crops = list(client.crops(sample="ADIR-S1", class_="normal"))

        assert first == second
        assert ran == client.ran
        assert [1] * len(crops) == [len(crop.as_json()["annotations"]) for crop in crops]

    def test_views_of_a_chromosome_belong_together(
        self, client: WorkingClient, name: str, tmp_path: Path
    ) -> None:
        """The two views of a normal chromosome share its key, so results can be told per chromosome."""
        Builder(client, name).build(slides_in(tmp_path))
        items = client.transport.json("GET", f"v1/datasets/{name}/1/items", params={"limit": 1000})["items"]
        views = sorted(
            sum(other["chromosome"] == key for other in items) for key in {i["chromosome"] for i in items}
        )

        assert [1, 1, 1, 1, 1, 1, 2, 2, 2] == views

    def test_unlabelled_keeps_the_others_as_sources(
        self, client: WorkingClient, name: str, tmp_path: Path
    ) -> None:
        """With the option, crops without a verdict become DAPI sources, and cells without masks come too."""
        version = Builder(client, name, unlabelled=True).build(slides_in(tmp_path, undrawn=True))
        found = [counts["unlabelled"] for counts in version["counts"].values()]
        masks = {job.params["masks"] for job in client.jobs(sample="ADIR-S1")}

        # Of its eight crops a slide has three normal ones, one aberration and two that are excluded.
        assert [2, 2] == sorted(found)[:2]
        assert {"annotated", "segmenter"} == masks

    def test_a_refused_image_ends_the_run_with_its_name(
        self, client: WorkingClient, name: str, tmp_path: Path
    ) -> None:
        """A file that is no picture is named, with what the service said of it."""
        slides = slides_in(tmp_path)
        (tmp_path / "images" / "S1" / "V101R.tif").write_bytes(b"not a picture")

        with pytest.raises(BuildError, match="S1 was stored"):
            Builder(client, name).build(slides)


class TestCompare:
    def test_a_difference_is_told(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """A data set that is not what the tables promise is not passed over."""
        slides = slides_in(tmp_path)

        assert not compare({"train": {"normal": 3, "aberration": 0}}, expected_counts(slides))
        assert "NO" in capsys.readouterr().out
