"""Filters over HTTP: embeddings scored at once, pictures, versions compared."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from api.app import create_app
from api.turns import Turns
from api.wiring import Wiring, wire
from models.filtering.filter import Filter
from services.artifacts.service import ArtifactService
from services.config import Settings
from services.filtering.service import MAX_ROWS
from services.filtering.warming import WarmUp
from services.predictions.types import EMBEDDING_DIMENSIONS
from tests.support import servers
from tests.support.classifiers import add_classifier
from tests.support.filtered import SEED, embeddings_of
from tests.support.filters import NUM_ROWS, add_filter, filter_on
from tests.support.http import Guarded, serving

pytestmark = pytest.mark.integration

ROW = [0.5] * EMBEDDING_DIMENSIONS
ROOT = Path(__file__).parents[2]

SCORES_WITHOUT_TORCH = """
import json, sys
from fastapi.testclient import TestClient
from api.app import create_app
from api.wiring import wire
from services.config import Settings

with TestClient(create_app(wire(Settings(_env_file=None)))) as client:
    answer = client.post(sys.argv[1], content=sys.stdin.read(), headers={"Content-Type": "application/json"})
heavy = sorted({"torch", "sklearn", "umap", "pynndescent"} & set(sys.modules))
print(json.dumps({"status": answer.status_code, "answer": answer.json(), "heavy": heavy}))
"""


@pytest.fixture(scope="module")
def classifier(wiring: Wiring) -> str:
    return add_classifier(wiring, f"c-{uuid.uuid4().hex[:8]}", seed=SEED)


@pytest.fixture(scope="module")
def found(wiring: Wiring, classifier: str) -> Filter:
    return filter_on(wiring, classifier, embeddings_of(NUM_ROWS))


@pytest.fixture(scope="module")
def ref(wiring: Wiring, found: Filter) -> str:
    return add_filter(wiring, found)


@pytest.fixture(scope="module")
def pictured(wiring: Wiring, found: Filter) -> str:
    """A filter with a page and a picture."""
    ref = add_filter(wiring, found)
    with wiring.sessions.begin() as session:
        artifacts = ArtifactService(session, wiring.store)
        version = artifacts.resolve("filter", ref)
        files = {"filter.safetensors": artifacts.open_file(version, "filter.safetensors")}
        files |= {"map.html": b"<!doctype html><p>map", "plot.png": b"\x89PNG picture"}
        return artifacts.add("filter", version.name, dict(version.manifest), files).ref


def path_of(ref: str, what: str) -> str:
    """Path of something of a filter."""
    return f"/v1/artifacts/filter/{ref}/{what}"


def score(client: httpx.Client, ref: str, **body: Any) -> httpx.Response:
    """Score embeddings."""
    return client.post(path_of(ref, "score"), json=body)


class TestScore:
    def test_is_what_the_filter_says(
        self, client: httpx.Client, ref: str, found: Filter, classifier: str
    ) -> None:
        """Bit for bit, with the filter's own level, and the names of all that took part."""
        rows = embeddings_of(30, seed=1)
        answer = score(client, ref, embeddings=rows.tolist(), classifier=classifier)
        told, own = answer.json(), found.score(rows)
        items = told.pop("items")

        assert 200 == answer.status_code
        assert {"filter": ref, "classifier": classifier, "level": 0.6, "max_percentile": None} == told
        assert own.coordinates.tolist() == [[one["x"], one["y"]] for one in items]
        for name in ("component", "mahalanobis2", "needed_level", "knn_distance", "knn_percentile"):
            assert getattr(own, name).tolist() == [one[name] for one in items]
        assert own.kept(0.6).tolist() == [one["kept"] for one in items]

    def test_does_not_depend_on_company(self, client: httpx.Client, ref: str) -> None:
        """A row alone has the scores that it has among a thousand."""
        rows = embeddings_of(MAX_ROWS, seed=2).tolist()
        together = score(client, ref, embeddings=rows).json()["items"]
        alone = [score(client, ref, embeddings=[rows[index]]).json()["items"][0] for index in (0, 7, 999)]

        assert MAX_ROWS == len(together)
        assert [together[index] for index in (0, 7, 999)] == alone

    def test_waits_for_its_turn(self, http_settings: Settings, ref: str) -> None:
        """Where all turns are taken for too long it is told when to come again; afterwards it is scored."""
        app = create_app(wire(http_settings))
        with serving(app) as address, httpx.Client(base_url=address, timeout=60) as client:
            app.state.scoring_turns = Turns(at_once=0, patience_s=0.05)
            busy = score(client, ref, embeddings=[ROW])
            elsewhere = client.get("/healthz")
            app.state.scoring_turns = Turns(at_once=1, patience_s=0.05)
            answers = [score(client, ref, embeddings=[ROW]) for _ in range(3)]

        assert (503, "busy", "2") == (busy.status_code, busy.json()["code"], busy.headers["Retry-After"])
        assert 200 == elsewhere.status_code
        assert {200} == {answer.status_code for answer in answers}

    def test_level_and_distance_decide(self, client: httpx.Client, wiring: Wiring, found: Filter) -> None:
        """What is asked for replaces the filter's own; a percentile of 100 switches that gate off."""
        rows = embeddings_of(40, seed=3)
        gated = add_filter(wiring, found)
        own = found.score(rows)
        told = [
            score(client, gated, embeddings=rows.tolist(), **how).json()
            for how in (
                {"level": 0.3},
                {"level": 1, "max_percentile": 50},
                {"level": 1, "max_percentile": 100},
            )
        ]

        assert [
            own.kept(0.3).tolist(),
            own.kept(1.0, 50.0).tolist(),
            own.kept(1.0).tolist(),
        ] == [[one["kept"] for one in answer["items"]] for answer in told]
        assert [(0.3, None), (1, 50), (1, None)] == [(one["level"], one["max_percentile"]) for one in told]

    def test_by_alias(self, client: httpx.Client, wiring: Wiring, ref: str) -> None:
        """An alias is answered with the version that it means."""
        name = ref.partition("/")[0]
        with wiring.sessions.begin() as session:
            ArtifactService(session, wiring.store).set_alias("filter", name, "newest", 1)

        assert ref == score(client, f"{name}/newest", embeddings=[ROW]).json()["filter"]

    def test_method_without_a_mixture(self, client: httpx.Client, wiring: Wiring, classifier: str) -> None:
        """What the method does not tell is null."""
        plain = add_filter(wiring, filter_on(wiring, classifier, embeddings_of(NUM_ROWS), method="none"))
        (item,) = score(client, plain, embeddings=[ROW]).json()["items"]

        assert (None, None, True) == (item["component"], item["mahalanobis2"], item["kept"])

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"embeddings": []}, "body.embeddings"),
            ({"embeddings": [ROW] * (MAX_ROWS + 1)}, "body.embeddings"),
            ({"embeddings": [ROW, ROW[1:]]}, "embeddings.1"),
            ({"embeddings": [[]]}, "embeddings.0"),
            ({"embeddings": [ROW, [*ROW[1:], 1e39]]}, "embeddings.1"),
            ({"embeddings": [[*ROW[1:], 1e13]]}, "embeddings.0"),
            ({"embeddings": [["0.5", *ROW[1:]]]}, "body.embeddings.0.0"),
            ({"embeddings": [ROW[0]]}, "body.embeddings.0"),
            ({"embeddings": [ROW], "level": 1.5}, "body.level"),
            ({"embeddings": [ROW], "level": -0.1}, "body.level"),
            ({"embeddings": [ROW], "max_percentile": 101}, "body.max_percentile"),
            ({"embeddings": [ROW], "classifier": "no ref"}, "body.classifier"),
            ({"embeddings": [ROW], "levle": 0.5}, "body.levle"),
            ({}, "body.embeddings"),
        ],
    )
    def test_refusals_name_the_field(
        self, client: httpx.Client, ref: str, body: dict[str, Any], field: str
    ) -> None:
        """Nothing is guessed: a wrong number of rows or numbers, or what is no number, is a 422."""
        answer = score(client, ref, **body)

        assert (422, "invalid_input") == (answer.status_code, answer.json()["code"])
        assert [field] == [one["field"] for one in answer.json()["errors"]]

    @pytest.mark.parametrize("number", ["1e400", "-1e400", "NaN", "Infinity", "null", "true", "[1]"])
    def test_numbers_that_are_none(self, client: httpx.Client, ref: str, number: str) -> None:
        """JSON has no infinity, but numbers that become one."""
        row = ",".join([number, *map(str, ROW[1:])])
        answer = client.post(
            path_of(ref, "score"),
            content=f'{{"embeddings": [[{row}]]}}',
            headers={"Content-Type": "application/json"},
        )

        assert 422 == answer.status_code
        assert "body.embeddings.0.0" == answer.json()["errors"][0]["field"]

    def test_one_fault_is_told(self, client: httpx.Client, ref: str) -> None:
        """Half a million wrong numbers do not become half a million errors."""
        answer = score(client, ref, embeddings=[["x"] * EMBEDDING_DIMENSIONS] * MAX_ROWS)

        assert (422, 1) == (answer.status_code, len(answer.json()["errors"]))

    @pytest.mark.parametrize(
        ("content", "media_type", "status"),
        [
            ("{", "application/json", 422),
            ("[" * 100_000, "application/json", 422),
            ("", "application/json", 422),
            ('{"embeddings": []}', "text/plain", 415),
            (" " * (16 * 1024**2 + 1), "application/json", 413),
        ],
    )
    def test_bodies_that_are_none(
        self, client: httpx.Client, ref: str, content: str, media_type: str, status: int
    ) -> None:
        """Each is a problem of its own, and none is ours."""
        answer = client.post(path_of(ref, "score"), content=content, headers={"Content-Type": media_type})

        assert status == answer.status_code
        assert "application/problem+json" == answer.headers["content-type"]

    def test_all_digits_of_a_thousand_rows_fit(self, client: httpx.Client, ref: str) -> None:
        """A client that writes doubles is not too large."""
        rows = np.random.default_rng(4).normal(size=(MAX_ROWS, EMBEDDING_DIMENSIONS)) * 1e-3

        assert 200 == score(client, ref, embeddings=rows.tolist()).status_code

    def test_another_classifiers_embeddings(
        self, client: httpx.Client, wiring: Wiring, ref: str, classifier: str
    ) -> None:
        """Are refused, and both names are told."""
        other = add_classifier(wiring, f"c-{uuid.uuid4().hex[:8]}", seed=SEED + 1)
        answer = score(client, ref, embeddings=[ROW], classifier=other)

        assert (422, "other_classifier") == (answer.status_code, answer.json()["code"])
        assert all(name in answer.json()["detail"] for name in (ref, classifier, other))

    def test_same_weights_by_another_name(self, client: httpx.Client, wiring: Wiring, ref: str) -> None:
        """Weights decide, not names: a classifier that was imported twice is one."""
        twin = add_classifier(wiring, f"c-{uuid.uuid4().hex[:8]}", seed=SEED)

        assert 200 == score(client, ref, embeddings=[ROW], classifier=twin).status_code

    def test_what_does_not_exist(self, client: httpx.Client, ref: str) -> None:
        """A filter or classifier that nobody has is a 404."""
        answers = [
            score(client, "nobody/1", embeddings=[ROW]),
            score(client, f"{ref}0", embeddings=[ROW]),
            score(client, ref, embeddings=[ROW], classifier="nobody/1"),
        ]

        assert [(404, "not_found")] * 3 == [(one.status_code, one.json()["code"]) for one in answers]

    def test_classifier_that_is_elsewhere(self, client: httpx.Client, wiring: Wiring, found: Filter) -> None:
        """Whoever embeds in another installation names the filter's own classifier."""
        elsewhere = {"ref": "elsewhere/7", "weights_sha256": "0" * 64}
        foreign = add_filter(wiring, found, classifier=elsewhere)

        assert 200 == score(client, foreign, embeddings=[ROW], classifier="elsewhere/7").status_code

    def test_damaged_filter(self, client: httpx.Client, wiring: Wiring, classifier: str) -> None:
        """Is our fault and says so, without a traceback."""
        damaged = add_filter(wiring, filter_on(wiring, classifier, embeddings_of(NUM_ROWS, seed=9)))
        with wiring.readers() as session:
            version = ArtifactService(session, wiring.store).resolve("filter", damaged)
        key = version.files["filter.safetensors"].key
        wiring.store.put(key, wiring.store.get(key)[:-1] + b"?")
        answer = score(client, damaged, embeddings=[ROW])

        assert (500, "artifact_damaged") == (answer.status_code, answer.json()["code"])
        assert "Traceback" not in answer.text

    def test_same_key_same_answer(self, client: httpx.Client, ref: str) -> None:
        """As for every POST: the first answer again, and no other body under the same key."""
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        body = {"embeddings": [ROW]}
        first, again, other = (
            client.post(path_of(ref, "score"), json=sent, headers=headers)
            for sent in (body, body, {**body, "level": 0.1})
        )

        assert first.json() == again.json()
        assert ("true", 422) == (again.headers["idempotency-replayed"], other.status_code)

    def test_needs_no_torch(self, http_settings: Settings, ref: str, found: Filter) -> None:
        """A fresh process without torch, scikit-learn or umap-learn gives the same bits."""
        rows = embeddings_of(3, seed=5)
        finished = subprocess.run(
            [sys.executable, "-c", SCORES_WITHOUT_TORCH, path_of(ref, "score")],
            cwd=ROOT,
            input=json.dumps({"embeddings": rows.tolist()}),
            capture_output=True,
            text=True,
            check=False,
            env=servers.vendor_variables()
            | {
                "DATABASE_URL": http_settings.database_url.get_secret_value(),
                "BROKER_URL": http_settings.broker_url.get_secret_value(),
                "OBJECT_STORE_URL": http_settings.object_store_url,
            },
        )

        assert 0 == finished.returncode, finished.stderr
        told = json.loads(finished.stdout.splitlines()[-1])
        assert (200, []) == (told["status"], told["heavy"])
        assert found.score(rows).needed_level.tolist() == [
            one["needed_level"] for one in told["answer"]["items"]
        ]

    def test_read_is_enough(self, guarded: Guarded, ref: str) -> None:
        """Scoring changes nothing; without a key it is refused before the body is read."""
        with guarded.client() as admin:
            key = admin.post("/v1/keys", json={"name": f"r-{uuid.uuid4()}", "scopes": ["read"]}).json()["key"]
        with guarded.client(key) as reader, guarded.client("wrong") as stranger:
            answers = [score(one, ref, embeddings=[ROW]) for one in (reader, stranger)]

        assert [200, 401] == [one.status_code for one in answers]


class TestWarmUp:
    def test_can_be_stopped_at_once(self) -> None:
        """A service that stops while it compiles ends that step and no other."""
        warm_up = WarmUp()
        warm_up.start()
        warm_up.close()


class TestFiles:
    @pytest.mark.parametrize(
        ("name", "media_type", "content"),
        [("plot.png", "image/png", b"\x89PNG picture"), ("map.html", "text/html", b"<!doctype html><p>map")],
    )
    def test_are_given(
        self, client: httpx.Client, pictured: str, name: str, media_type: str, content: bytes
    ) -> None:
        """As they were stored, for ever by version; who has them already is told so."""
        answer = client.get(path_of(pictured, name))
        again = client.get(path_of(pictured, name), headers={"If-None-Match": answer.headers["etag"]})

        assert (200, content) == (answer.status_code, answer.content)
        assert media_type == answer.headers["content-type"].partition(";")[0]
        assert "immutable" in answer.headers["cache-control"]
        assert 304 == again.status_code

    def test_page_may_load_and_send_nothing(self, client: httpx.Client, pictured: str) -> None:
        """Its script can reach neither this service nor any other."""
        policy = client.get(path_of(pictured, "map.html")).headers["content-security-policy"]

        assert "default-src 'none'" in policy
        assert "connect-src" not in policy

    @pytest.mark.parametrize("name", ["plot.png", "map.html"])
    def test_filter_without_pictures(self, client: httpx.Client, ref: str, name: str) -> None:
        """There is nothing to show, and nothing is made up."""
        answers = [client.get(path_of(one, name)) for one in (ref, "nobody/1")]

        assert [(404, "map_missing"), (404, "not_found")] == [
            (one.status_code, one.json()["code"]) for one in answers
        ]
        assert f"came without {name}" in answers[0].json()["detail"]


class TestDifference:
    def test_between_versions(self, client: httpx.Client, wiring: Wiring, classifier: str) -> None:
        """The level that moved is told, and how many verdicts flip with it."""
        rows, name = embeddings_of(NUM_ROWS), f"f-{uuid.uuid4().hex[:8]}"
        for level in (0.3, 0.9):
            add_filter(wiring, filter_on(wiring, classifier, rows, level=level), name)
        told = client.get(path_of(f"{name}/1", "difference"), params={"other": "2"}).json()

        assert (f"{name}/1", f"{name}/2") == (told["first"], told["second"])
        assert [0.3, 0.9] == told["difference"]["parameters"]["level"]
        assert told["difference"]["verdicts"]["newly_kept"] > 0
        assert 0 == told["difference"]["verdicts"]["newly_rejected"]

    def test_of_other_classifiers(self, client: httpx.Client, wiring: Wiring, found: Filter) -> None:
        """The same embedding means different crops to them: 409."""
        name = f"f-{uuid.uuid4().hex[:8]}"
        other = add_classifier(wiring, f"c-{uuid.uuid4().hex[:8]}", seed=SEED + 2)
        add_filter(wiring, found, name)
        add_filter(wiring, filter_on(wiring, other, embeddings_of(NUM_ROWS)), name)
        answer = client.get(path_of(f"{name}/1", "difference"), params={"other": "2"})

        assert (409, "filters_not_comparable") == (answer.status_code, answer.json()["code"])

    @pytest.mark.parametrize(("other", "status"), [("99", 404), ("nobody", 404), ("a/b", 422), (None, 422)])
    def test_with_nothing(self, client: httpx.Client, ref: str, other: str | None, status: int) -> None:
        """The other version must be named, and be there."""
        params = {} if other is None else {"other": other}

        assert status == client.get(path_of(ref, "difference"), params=params).status_code
