"""Studies over HTTP: plans with their cost, submissions, reports."""

from __future__ import annotations

import json
import uuid
from typing import Any

import httpx
import pytest

from api.wiring import Wiring
from models.study.costs import REFERENCE_PACES
from services.artifacts.service import ArtifactService
from services.jobs.params import StudyParams
from services.studies.cache import StepResult, StepStore
from services.studies.service import REPORT_FILES, prepare
from tests.support.datasets import imported, labelled_archive
from tests.support.http import Guarded

pytestmark = pytest.mark.integration

PLAN = "/v1/studies/plan"
HEADLINE = {"arm": "augmented-bbdm-filtered", "reference": "augmented", "difference": 0.02}
SMALL = {"size": "quick", "arms": ["real", "augmented-painted"], "num_seeds": 2}


@pytest.fixture(scope="module")
def dataset(address: str) -> dict[str, Any]:
    """A data set with three slides, each in a split of its own."""
    with httpx.Client(base_url=address, timeout=30) as client:
        return imported(client, labelled_archive(seed=77, per_class=3))


@pytest.fixture
def body(dataset: dict[str, Any]) -> dict[str, Any]:
    """A study of six steps."""
    return {"name": "s", "dataset": f"{dataset['name']}/{dataset['version']}", **SMALL}


def add_study(wiring: Wiring, dataset: dict[str, Any], name: str, **manifest: Any) -> str:
    """Add a study that has ended; its files hold their own names."""
    study = {
        "name": name,
        "size": "cpu",
        "proves_nothing": False,
        "simulated": True,
        "dataset": {"ref": f"{dataset['name']}/1", "sha256": dataset["sha256"]},
    }
    files = {file: file.encode() for file in REPORT_FILES}
    files["results.json"] = json.dumps({"schema": 1}).encode()
    with wiring.sessions.begin() as session:
        told = {"kind": "study", "study": study, "headline": HEADLINE, **manifest}
        return ArtifactService(session, wiring.store).add("study", name, told, files).ref


def new_name() -> str:
    """A study's name that no other test has."""
    return f"study-{uuid.uuid4().hex[:8]}"


class TestPlan:
    def test_tells_steps_and_data(self, client: httpx.Client, body: dict[str, Any]) -> None:
        """Two networks per arm, one set of painted crops; nothing was computed before, nothing is started."""
        told = client.post(PLAN, json=body).json()
        kinds = [step["kind"] for step in told["steps"]]

        assert (4, 5, 0) == (told["runs"], told["computed"], told["from_cache"])
        assert ["candidates"] + ["run"] * 4 == sorted(kinds)
        assert told["estimated_seconds"] == pytest.approx(
            sum(step["estimated_seconds"] for step in told["steps"])
        )
        assert ["A06"] == told["conditions"]["all"]["train"]["groups"]
        assert (3, 3) == tuple(told["conditions"]["all"]["test"][one] for one in ("normal", "aberration"))
        assert any("prove nothing" in text for text in told["warnings"])
        assert None is told["unfinished_job"]

    def test_counts_what_is_done(self, client: httpx.Client, wiring: Wiring, body: dict[str, Any]) -> None:
        """A step whose result is stored costs nothing."""
        params = StudyParams(**body | {"seed": 5})
        with wiring.readers() as session:
            step = next(prepare(session, wiring.store, params).plan.of_kind("run"))
        StepStore(wiring.store).put(step.key, StepResult())
        told = client.post(PLAN, json=body | {"seed": 5}).json()

        assert (4, 1) == (told["computed"], told["from_cache"])
        assert [0.0] == [one["estimated_seconds"] for one in told["steps"] if one["cached"]]

    def test_counts_earlier_looks(
        self, client: httpx.Client, wiring: Wiring, body: dict[str, Any], dataset: dict[str, Any]
    ) -> None:
        """By the data set's content; the newest study's paces are what is reckoned with."""
        twice_as_slow = {kind: 2 * pace for kind, pace in REFERENCE_PACES.items()}
        add_study(wiring, dataset, new_name(), paces=dict(REFERENCE_PACES))
        before = client.post(PLAN, json=body).json()
        ref = add_study(
            wiring, dataset, new_name(), paces=twice_as_slow, environment={"device": "a slow machine"}
        )
        after = client.post(PLAN, json=body).json()

        assert ref in after["earlier_studies"]
        assert any(ref in text and "looked at before" in text for text in after["warnings"])
        assert f"measured by study {ref} on a slow machine" == after["basis"]
        assert after["estimated_seconds"] == pytest.approx(2 * before["estimated_seconds"])

    def test_unknown_pace(self, client: httpx.Client, body: dict[str, Any]) -> None:
        """Where nobody knows, nothing is made up."""
        arms = ["augmented-bbdm"]
        told = client.post(PLAN, json=body | {"size": "full", "num_seeds": 1, "arms": arms}).json()

        assert None is told["estimated_seconds"]
        assert None in [step["estimated_seconds"] for step in told["steps"]]

    @pytest.mark.parametrize(
        ("changes", "status", "told"),
        [
            ({"dataset": "nobody/1"}, 404, "nobody/1"),
            ({"leave_out": {"line": ["Z9"]}}, 422, "no group 'Z9'"),
            ({"leave_out": {"line": ["A06"]}}, 422, "'without-line'"),
            ({"generators": {"all": {"bbdm": "nobody/1"}}}, 404, "nobody/1"),
            ({"arms": ["magic"]}, 422, "not valid"),
            ({"kind": "study"}, 422, "not valid"),
        ],
    )
    def test_what_cannot_run(
        self, client: httpx.Client, body: dict[str, Any], changes: dict[str, Any], status: int, told: str
    ) -> None:
        """Is refused before anybody waits for it, in the same words as the job would be."""
        answers = [client.post(PLAN, json=body | changes)]
        if "kind" not in changes:
            answers.append(client.post("/v1/jobs", json={"kind": "study", **body, **changes}))

        assert {status} == {answer.status_code for answer in answers}
        assert all(told in answer.text for answer in answers)

    def test_read_is_enough(self, guarded: Guarded, body: dict[str, Any]) -> None:
        """It starts nothing; the job does, and needs more."""
        with guarded.client() as admin:
            key = admin.post("/v1/keys", json={"name": f"r-{uuid.uuid4()}", "scopes": ["read"]}).json()["key"]
        with guarded.client(key) as reader:
            answers = [reader.post(PLAN, json=body), reader.post("/v1/jobs", json={"kind": "study", **body})]

        assert [200, 403] == [answer.status_code for answer in answers]


class TestSubmission:
    def test_keeps_exact_versions(self, client: httpx.Client, body: dict[str, Any]) -> None:
        """The job shows what it works on; the plan of the same study names it while it is not done."""
        mine = body | {"name": new_name()}
        made = client.post("/v1/jobs", json={"kind": "study", "external_id": "LIMS-9", **mine}).json()
        planned = client.post(PLAN, json=mine).json()
        other = client.post(PLAN, json=mine | {"seed": 1}).json()
        client.post(f"/v1/jobs/{made['id']}/cancel")

        assert {"dataset": body["dataset"], "generators": {}} == made["inputs"]
        assert (made["id"], None) == (planned["unfinished_job"], other["unfinished_job"])
        assert None is client.post(PLAN, json=mine).json()["unfinished_job"]


class TestReports:
    @pytest.mark.parametrize(
        ("file", "media_type"),
        [
            ("report.html", "text/html"),
            ("report.pdf", "application/pdf"),
            ("results.json", "application/json"),
            ("runs.csv", "text/csv"),
            ("summaries.csv", "text/csv"),
            ("comparisons.csv", "text/csv"),
        ],
    )
    def test_are_given(
        self, client: httpx.Client, wiring: Wiring, dataset: dict[str, Any], file: str, media_type: str
    ) -> None:
        """As they were stored, for ever by version; who has them already is told so."""
        path = f"/v1/artifacts/study/{add_study(wiring, dataset, new_name())}/{file}"
        answer = client.get(path)
        again = client.get(path, headers={"If-None-Match": answer.headers["etag"]})

        assert 200 == answer.status_code
        assert (file.encode() if file != "results.json" else b'{"schema": 1}') == answer.content
        assert media_type == answer.headers["content-type"].partition(";")[0]
        assert "immutable" in answer.headers["cache-control"]
        assert "nosniff" == answer.headers["x-content-type-options"]
        assert 304 == again.status_code

    def test_page_may_load_and_send_nothing(
        self, client: httpx.Client, wiring: Wiring, dataset: dict[str, Any]
    ) -> None:
        """It can reach neither this service nor any other."""
        ref = add_study(wiring, dataset, new_name())
        policy = client.get(f"/v1/artifacts/study/{ref}/report.html").headers["content-security-policy"]

        assert "default-src 'none'" in policy

    @pytest.mark.parametrize("file", ["report.html", "report.pdf", "results.json", "runs.csv"])
    def test_of_an_unknown_study(self, client: httpx.Client, file: str) -> None:
        """There is nothing to show."""
        answer = client.get(f"/v1/artifacts/study/nobody/1/{file}")

        assert (404, "not_found") == (answer.status_code, answer.json()["code"])

    def test_of_an_unknown_table(self, client: httpx.Client, wiring: Wiring, dataset: dict[str, Any]) -> None:
        """The known ones are named."""
        ref = add_study(wiring, dataset, new_name())
        answer = client.get(f"/v1/artifacts/study/{ref}/secrets.csv")

        assert (422, True) == (answer.status_code, "comparisons" in answer.text)


class TestList:
    def test_tells_each_result(self, client: httpx.Client, wiring: Wiring, dataset: dict[str, Any]) -> None:
        """With what it cannot prove, and where the report is."""
        ref = add_study(wiring, dataset, new_name())
        found = client.get("/v1/studies", params={"limit": "1000"}).json()["items"]
        (mine,) = [one for one in found if f"{one['name']}/{one['version']}" == ref]

        assert (HEADLINE, True, False) == (mine["headline"], mine["simulated"], mine["proves_nothing"])
        assert (f"{dataset['name']}/1", "cpu") == (mine["dataset"], mine["size"])
        assert 200 == client.get(mine["links"]["report"]).status_code

    def test_is_paged(self, client: httpx.Client, wiring: Wiring, dataset: dict[str, Any]) -> None:
        """By name and number."""
        name = new_name()
        for level in (1, 2):
            add_study(wiring, dataset, name, level=level)
        first = client.get("/v1/studies", params={"limit": "1"}).json()
        rest = client.get("/v1/studies", params={"limit": "1000", "cursor": first["next_cursor"]}).json()
        everything = client.get("/v1/studies", params={"limit": "1000"}).json()["items"]

        assert first["items"] + rest["items"] == everything


class TestArtifact:
    def test_is_not_promoted(self, client: httpx.Client, wiring: Wiring, dataset: dict[str, Any]) -> None:
        """Nobody works with a study; any other alias will do, and finds the report."""
        name = add_study(wiring, dataset, new_name()).partition("/")[0]
        path = f"/v1/artifacts/study/{name}"
        refused = client.put(f"{path}/aliases/production", json={"version": 1})
        taken = client.put(f"{path}/aliases/published", json={"version": 1})

        assert (409, "promotion_refused") == (refused.status_code, refused.json()["code"])
        assert (200, 200) == (taken.status_code, client.get(f"{path}/published/report.html").status_code)

    def test_is_not_uploaded(self, client: httpx.Client) -> None:
        """Its figures count because they were measured here."""
        answer = client.post(
            "/v1/artifacts/study", data={"name": "theirs"}, files={"file": ("study.zip", b"PK")}
        )

        assert 422 == answer.status_code
        assert "cannot be uploaded" in answer.json()["detail"]
