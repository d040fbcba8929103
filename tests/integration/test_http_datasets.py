"""Data sets over HTTP: importing, reading, exporting."""

from __future__ import annotations

import csv
import io
import zipfile
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest
from PIL import Image
from sqlalchemy import func, select

from api.wiring import Wiring
from services import audit
from services.datasets.repository import DatasetRepository
from services.db.tables import CropRow
from services.errors import NotFoundError
from tests.support.datasets import (
    archive,
    chromosome,
    imported,
    items_of,
    labelled_archive,
    new_name,
    png,
    post_archive,
)

pytestmark = pytest.mark.integration


@pytest.fixture
def version(client: httpx.Client) -> dict[str, object]:
    return imported(client, labelled_archive())


def imported_crops(wiring: Wiring) -> int | None:
    with wiring.readers() as session:
        return session.scalar(select(func.count()).where(CropRow.origin == "imported"))


class TestImport:
    def test_version_tells_what_it_holds(self, client: httpx.Client) -> None:
        """The answer counts crops, chromosomes and groups, and says where the version is."""
        name = new_name()
        answer = post_archive(client, labelled_archive(), name, licence="CC0-1.0", description="Toys.")
        version = answer.json()

        assert (201, f"/v1/datasets/{name}/1") == (answer.status_code, answer.headers["location"])
        assert {"normal": 2, "aberration": 2, "unlabelled": 0} == version["counts"]["train"]
        assert version["counts"] == version["chromosomes"]
        assert {"count": 1, "names": ["A04"]} == version["groups"]["val"]
        assert ("import", "CC0-1.0", "Toys.", []) == (
            version["source"],
            version["licence"],
            version["description"],
            version["warnings"],
        )
        assert {"checked": True, "overlaps": 0, "items_without_group": 0} == version["leakage"]
        assert version == client.get(answer.headers["location"]).json()

    def test_same_content_is_the_same_version(self, client: httpx.Client) -> None:
        """Sending it again makes nothing; other content makes the next number."""
        name = new_name()
        first = post_archive(client, labelled_archive(), name)
        again = post_archive(client, labelled_archive(), name)
        other = post_archive(client, labelled_archive(seed=1), name)

        assert [201, 200, 201] == [answer.status_code for answer in (first, again, other)]
        assert first.json() == again.json()
        assert [1, 2] == [first.json()["version"], other.json()["version"]]

    def test_writers_of_one_name_wait(self, client: httpx.Client) -> None:
        """Sent at the same moment, the same content is one version and other content the next numbers."""
        name, contents = new_name(), [labelled_archive(seed) for seed in (1, 1, 2, 3)]
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda content: post_archive(client, content, name), contents))

        assert [200, 201, 201, 201] == sorted(answer.status_code for answer in answers)
        assert [1, 2, 3] == sorted({answer.json()["version"] for answer in answers})

    def test_crops_carry_their_labels(self, client: httpx.Client, version: dict[str, object]) -> None:
        """Imported crops have no sample, and their label is a verdict with its origin."""
        item = next(item for item in items_of(client, version) if item["class"] == "aberration")
        crop = client.get(f"/v1/crops/{item['crop_id']}").json()

        assert ("imported", None, None, "aberration") == (
            crop["origin"],
            crop["sample"],
            crop["image_id"],
            crop["class"],
        )
        assert [f"import of {version['name']}/1"] == [one["annotator"] for one in crop["annotations"]]
        assert [0, 0, 24, 16] == crop["bbox"]

    def test_picture_is_shown_as_it_is(self, client: httpx.Client) -> None:
        """An imported crop is drawn with its own colours, whole or one channel."""
        pixels = chromosome(7)
        version = imported(client, archive({"train/normal/A06/a.png": png(pixels)}))
        path = f"/v1/crops/{items_of(client, version)[0]['crop_id']}/image.png"
        colour = np.asarray(Image.open(io.BytesIO(client.get(path).content)))
        green = np.asarray(Image.open(io.BytesIO(client.get(path, params={"channel": "green"}).content)))

        np.testing.assert_array_equal(pixels[..., :3], colour)
        np.testing.assert_array_equal(pixels[..., 1], green)

    def test_manifest_says_chromosomes(self, client: httpx.Client) -> None:
        """Views of one chromosome count once, and an absent split is assigned by whole groups."""
        rows, members = ["file,class,split,group,chromosome"], {}
        for number in range(12):
            members[f"{number}.png"] = png(chromosome(number))
            kind = ("normal", "aberration")[number % 2]
            rows.append(f"{number}.png,{kind},,slide {number // 4},c{number // 4}-{number % 2}")
        members["manifest.csv"] = "\n".join(rows).encode()
        version = imported(client, archive(members), val_fraction="0.3", test_fraction="0.3")

        assert {"normal": 2, "aberration": 2, "unlabelled": 0} == version["counts"]["test"]
        assert {"normal": 1, "aberration": 1, "unlabelled": 0} == version["chromosomes"]["test"]
        assert [1, 1, 1] == [version["groups"][split]["count"] for split in ("train", "val", "test")]

    def test_pictures_without_group_are_reported(self, client: httpx.Client) -> None:
        """Leakage of slides cannot be checked without slides, and the answer says so."""
        version = imported(client, archive({f"train/normal/{n}.png": png(chromosome(n)) for n in range(3)}))

        assert 3 == version["leakage"]["items_without_group"]
        assert "group_pattern" in version["warnings"][0]

    def test_group_from_the_file_name(self, client: httpx.Client) -> None:
        """A pattern finds the slide in names such as A02_0153.png."""
        members = {f"train/normal/A0{n}_1.png": png(chromosome(n)) for n in range(2)}
        version = imported(client, archive(members), group_pattern="{group}_*")

        assert ["A00", "A01"] == version["groups"]["train"]["names"]
        assert 0 == version["leakage"]["items_without_group"]

    def test_is_audited(self, wiring: Wiring, version: dict[str, object]) -> None:
        """Who made a version is kept."""
        with wiring.readers() as session:
            trail = audit.history(session, f"{version['name']}/1")

        assert [("dataset.created", version["sha256"])] == [(r.action, r.details["sha256"]) for r in trail]


class TestRefusedImport:
    def test_every_problem_is_listed(self, client: httpx.Client, wiring: Wiring) -> None:
        """One answer names all that is wrong, and nothing is kept."""
        name, before = new_name(), imported_crops(wiring)
        members = {
            "train/normal/A06/good.png": png(chromosome(1)),
            "train/odd/A06/class.png": png(chromosome(2)),
            "train/normal/A06/text.png": b"hello",
            "train/normal/A06/black.png": png(np.zeros((4, 4, 3), np.uint8)),
            "train/normal/A06/huge.png": png(np.ones((4, 1200, 3), np.uint8)),
            "README.txt": b"ignored",
        }
        answer = post_archive(client, archive(members), name)
        problem = answer.json()

        assert (422, "dataset_invalid") == (answer.status_code, problem["code"])
        assert problem["detail"].startswith("4 problems;")
        assert ["text", "black", "huge", "class"] == [
            one["field"].rpartition("/")[2].removesuffix(".png") for one in problem["errors"]
        ]
        assert 404 == client.get(f"/v1/datasets/{name}").status_code
        assert before == imported_crops(wiring)

    def test_grey_picture_with_a_label(self, client: httpx.Client) -> None:
        """A picture without colours can be a DAPI source, but shows no translocation."""
        grey = png(chromosome(3)[..., 0])
        refused = post_archive(client, archive({"train/normal/A06/a.png": grey}))
        source = imported(client, archive({"train/unlabelled/A06/a.png": grey}))

        assert "is grey" in refused.json()["errors"][0]["message"]
        assert 1 == source["counts"]["train"]["unlabelled"]

    @pytest.mark.parametrize(
        ("members", "message"),
        [
            ({"train/normal/A/1.png": 1, "val/normal/A/2.png": 2}, "The same group is in train and val."),
            ({"train/normal/A/1.png": 1, "test/normal/B/2.png": 1}, "The same picture is in train and test."),
        ],
    )
    def test_leakage(self, client: httpx.Client, members: dict[str, int], message: str) -> None:
        """A slide or a picture in two splits is refused with the list."""
        pictures = {name: png(chromosome(seed)) for name, seed in members.items()}
        answer = post_archive(client, archive(pictures))

        assert (422, "dataset_leakage") == (answer.status_code, answer.json()["code"])
        assert message in [one["message"] for one in answer.json()["errors"]]

    def test_picture_with_two_labels(self, client: httpx.Client) -> None:
        """The same pixels cannot be normal and aberrant."""
        same = png(chromosome(1))
        answer = post_archive(
            client, archive({"train/normal/A/1.png": same, "train/aberration/A/1.png": same})
        )

        assert "dataset_invalid" == answer.json()["code"]

    @pytest.mark.parametrize(
        ("content", "code"),
        [
            (b"no zip", "invalid_input"),
            (archive({"README.txt": b"x"}), "dataset_invalid"),
            (labelled_archive()[:-30], "zip_corrupt"),
        ],
    )
    def test_no_archive(self, client: httpx.Client, content: bytes, code: str) -> None:
        """What cannot be read as a whole is told as a whole."""
        assert code == post_archive(client, content).json()["code"]

    @pytest.mark.parametrize(
        "fields",
        [
            {"group_pattern": "no group"},
            {"val_fraction": "0.2"},
            {"val_fraction": "2"},
            {"seed": "x"},
            {"surprise": "1"},
            {"name": "Not A Name"},
        ],
    )
    def test_wrong_fields(self, client: httpx.Client, fields: dict[str, str]) -> None:
        """Fields that are wrong, unknown or contradict the archive are named."""
        answer = client.post(
            "/v1/datasets", data={"name": new_name()} | fields, files={"file": ("a.zip", labelled_archive())}
        )

        assert 422 == answer.status_code
        assert answer.json()["errors"]

    def test_no_file(self, client: httpx.Client) -> None:
        """A form without its archive is refused."""
        answer = client.post("/v1/datasets", files={"name": (None, "a")})

        assert ["file"] == [one["field"] for one in answer.json()["errors"]]

    def test_other_media_type(self, client: httpx.Client) -> None:
        """The body is a form or JSON."""
        answer = client.post("/v1/datasets", content=b"x", headers={"content-type": "text/plain"})

        assert 415 == answer.status_code


class TestReading:
    def test_lists(self, client: httpx.Client, version: dict[str, object]) -> None:
        """A version is in the list of all, and in the list of its name."""
        name, seen, cursor = version["name"], [], None
        while True:
            page = client.get("/v1/datasets", params={"limit": 1} | ({"cursor": cursor} if cursor else {}))
            seen += page.json()["items"]
            cursor = page.json()["next_cursor"]
            if cursor is None:
                break

        assert version in seen
        assert {"name": name, "versions": [version]} == client.get(f"/v1/datasets/{name}").json()

    def test_items_in_pages(self, client: httpx.Client, version: dict[str, object]) -> None:
        """Following the cursors gives each item once, in order."""
        path, seen, cursor = f"/v1/datasets/{version['name']}/1/items", [], None
        while True:
            page = client.get(path, params={"limit": 5} | ({"cursor": cursor} if cursor else {})).json()
            seen += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                break

        assert items_of(client, version) == seen
        assert 12 == len({item["crop_id"] for item in seen})

    @pytest.mark.parametrize("path", ["none", "none/1", "none/1/items", "none/1/export"])
    def test_unknown(self, client: httpx.Client, path: str) -> None:
        """What does not exist is not found."""
        assert 404 == client.get(f"/v1/datasets/{path}").status_code

    @pytest.mark.parametrize("path", ["a/0", "a/x", "a/99999999999/items", "a/1/items?cursor=eHg"])
    def test_malformed(self, client: httpx.Client, path: str) -> None:
        """A version is a positive number, and a cursor one that was given out."""
        assert client.get(f"/v1/datasets/{path}").status_code in (404, 422)

    def test_pipelines_find_the_pixels(self, wiring: Wiring, version: dict[str, object]) -> None:
        """The repository tells for every item in which pack its pixels lie."""
        with wiring.readers() as session:
            datasets = DatasetRepository(session)
            items = datasets.items(datasets.resolve(f"{version['name']}/1"))
            with pytest.raises(NotFoundError):
                datasets.resolve(f"{version['name']}/2")

        assert list(range(12)) == [item.position for item in items]
        assert {("imported", ("red", "green", "dapi"), (0, 0, 24, 16))} == {
            (item.origin, item.channels, item.bbox) for item in items
        }
        assert list(range(12)) == [item.pack_index for item in items]


class TestExport:
    def test_comes_back_as_the_same_data_set(self, client: httpx.Client) -> None:
        """Importing an export gives the same pixels, masks, labels, and so the same hash."""
        members = {
            "train/normal/A 06/1.png": png(chromosome(1)),
            "train/aberration/A 06/2.png": png(chromosome(2, (40, 9), alpha=False)),
            "val/unlabelled/ß/3.png": png(chromosome(3)[..., 0]),
            "test/normal/4.png": png(chromosome(4)),
        }
        version = imported(client, archive(members))
        path = f"/v1/datasets/{version['name']}/1/export"
        exported = client.get(path)
        again = imported(client, exported.content, new_name())

        assert version["sha256"] == again["sha256"]
        assert version["counts"] == again["counts"]
        assert exported.content == client.get(path).content
        assert 304 == client.get(path, headers={"If-None-Match": exported.headers["etag"]}).status_code

    def test_is_readable_by_people(self, client: httpx.Client, version: dict[str, object]) -> None:
        """Folders say split, class and slide, and a table says it again."""
        packed = zipfile.ZipFile(io.BytesIO(client.get(f"/v1/datasets/{version['name']}/1/export").content))
        table = list(csv.DictReader(io.StringIO(packed.read("manifest.csv").decode())))

        assert {*(row["file"] for row in table), "manifest.csv"} == set(packed.namelist())
        assert all(row["file"].startswith(f"{row['split']}/{row['class']}/{row['group']}/") for row in table)
        assert "RGBA" == Image.open(packed.open(table[0]["file"])).mode
