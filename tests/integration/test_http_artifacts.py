"""Artifact versions and aliases over HTTP."""

from __future__ import annotations

import io
import json
import uuid
import zipfile

import httpx
import pytest

from api.wiring import Wiring
from services import audit
from services.artifacts.service import ArtifactService

pytestmark = pytest.mark.integration

WEIGHTS = b"not really weights"


@pytest.fixture
def name(wiring: Wiring) -> str:
    """A segmenter with two versions, the first in production."""
    chosen = f"seg-{uuid.uuid4().hex[:8]}"
    with wiring.sessions.begin() as session:
        artifacts = ArtifactService(session, wiring.store)
        for diameter_px in (20.0, 24.0):
            artifacts.add("segmenter", chosen, {"diameter_px": diameter_px}, {"weights.safetensors": WEIGHTS})
        artifacts.set_alias("segmenter", chosen, "production", 1)
    return chosen


class TestReading:
    def test_name_has_versions_and_aliases(self, client: httpx.Client, name: str) -> None:
        """A name tells all its versions, and where its aliases point."""
        artifact = client.get(f"/v1/artifacts/segmenter/{name}").json()

        assert [1, 2] == [version["version"] for version in artifact["versions"]]
        assert [("production", 1)] == [(one["alias"], one["version"]) for one in artifact["aliases"]]

    def test_version_by_number_or_alias(self, client: httpx.Client, name: str) -> None:
        """A version is found by its number and by an alias, with its manifest."""
        first = client.get(f"/v1/artifacts/segmenter/{name}/1").json()

        assert first == client.get(f"/v1/artifacts/segmenter/{name}/production").json()
        assert {"diameter_px": 20.0} == first["manifest"]
        assert len(WEIGHTS) == first["files"]["weights.safetensors"]["size_bytes"]

    def test_storage_is_not_shown(self, client: httpx.Client, name: str) -> None:
        """Where bytes lie is nobody's business."""
        assert (
            "key"
            not in client.get(f"/v1/artifacts/segmenter/{name}/1").json()["files"]["weights.safetensors"]
        )

    def test_download(self, client: httpx.Client, name: str) -> None:
        """A version downloads as a ZIP of manifest and files, to be kept where it is named by number."""
        numbered = client.get(f"/v1/artifacts/segmenter/{name}/1/content")
        aliased = client.get(f"/v1/artifacts/segmenter/{name}/production/content")
        again = client.get(
            f"/v1/artifacts/segmenter/{name}/1/content",
            headers={"If-None-Match": f"W/{numbered.headers['etag']}"},
        )
        archive = zipfile.ZipFile(io.BytesIO(numbered.content))

        assert WEIGHTS == archive.read("weights.safetensors")
        assert {"diameter_px": 20.0} == json.loads(archive.read("manifest.json"))
        assert numbered.content == aliased.content
        assert "immutable" in numbered.headers["cache-control"]
        assert "no-cache" in aliased.headers["cache-control"]
        assert 304 == again.status_code

    def test_list_by_kind(self, client: httpx.Client, name: str) -> None:
        """The list has every version, and may be narrowed to a kind."""
        segmenters = client.get("/v1/artifacts", params={"kind": "segmenter", "limit": 1000}).json()["items"]
        filters = client.get("/v1/artifacts", params={"kind": "filter"}).json()["items"]

        assert [1, 2] == [one["version"] for one in segmenters if one["name"] == name]
        assert name not in [one["name"] for one in filters]
        assert {"filter"} >= {one["kind"] for one in filters}

    @pytest.mark.parametrize(
        ("path", "status"),
        [
            ("segmenter/none", 404),
            ("segmenter/none/1", 404),
            ("segmenter/{name}/3", 404),
            ("segmenter/{name}/0", 404),
            ("segmenter/{name}/-1", 404),
            ("segmenter/{name}/99999999999999999999999", 404),
            ("segmenter/{name}/staging", 404),
            ("segmenter/{name}/%D9%A3", 404),
            ("segmenter/{name}/%00", 404),
            ("segmenter/..%2F..%2Fetc/1", 404),
            ("classifier/{name}/1", 404),
            ("nonsense/{name}/1", 422),
        ],
    )
    def test_what_does_not_exist(self, client: httpx.Client, name: str, path: str, status: int) -> None:
        """Unknown names, versions and kinds are told apart from faults."""
        assert status == client.get(f"/v1/artifacts/{path.format(name=name)}").status_code


class TestAliases:
    def test_alias_moves(self, client: httpx.Client, wiring: Wiring, name: str) -> None:
        """Moving an alias answers the version it points to now, and is audited."""
        moved = client.put(f"/v1/artifacts/segmenter/{name}/aliases/production", json={"version": 2})
        with wiring.readers() as session:
            trail = [(row.action, row.details) for row in audit.history(session, f"segmenter/{name}")]

        assert (200, 2) == (moved.status_code, moved.json()["version"])
        assert 2 == client.get(f"/v1/artifacts/segmenter/{name}/production").json()["version"]
        assert [("artifact.alias_set", {"alias": "production", "version": 2})] == trail

    @pytest.mark.parametrize(
        ("alias", "body", "status"),
        [
            ("production", {"version": 3}, 404),
            ("production", {"version": 0}, 422),
            ("production", {"version": 10**30}, 422),
            ("production", {"version": True}, 422),
            ("production", {"version": "1"}, 422),
            ("production", {}, 422),
            ("production", {"version": 1, "force": True}, 422),
            ("7", {"version": 1}, 422),
            ("Up%20per", {"version": 1}, 422),
        ],
    )
    def test_wrong_alias(
        self, client: httpx.Client, name: str, alias: str, body: dict[str, object], status: int
    ) -> None:
        """An alias points to an existing version, is fit for URLs, and is no number."""
        answer = client.put(f"/v1/artifacts/segmenter/{name}/aliases/{alias}", json=body)

        assert status == answer.status_code
        assert 1 == client.get(f"/v1/artifacts/segmenter/{name}/production").json()["version"]


class TestUpload:
    def test_weights_are_imported_by_a_job(self, client: httpx.Client) -> None:
        """An upload is kept, and a worker reads it: the answer is a job."""
        answer = client.post(
            "/v1/artifacts/segmenter",
            data={"name": "ours", "diameter_px": "30", "licence": "BSD-3-Clause"},
            files={"file": ("cyto.pth", WEIGHTS)},
        )
        job = answer.json()

        assert 202 == answer.status_code
        assert ("artifact_import", "ours", 30.0) == (
            job["kind"],
            job["params"]["name"],
            job["params"]["diameter_px"],
        )
        assert f"/v1/jobs/{job['id']}" == answer.headers["location"]

    def test_repeated_upload_is_one_job(self, client: httpx.Client) -> None:
        """An Idempotency-Key makes a repeated upload harmless."""
        key = {"Idempotency-Key": str(uuid.uuid4())}
        first, second = (
            client.post(
                "/v1/artifacts/segmenter",
                data={"name": "ours"},
                files={"file": ("cyto.pth", WEIGHTS)},
                headers=key,
            )
            for _ in range(2)
        )

        assert first.json() == second.json()

    @pytest.mark.parametrize(
        ("kind", "fields", "file_field", "status"),
        [
            ("segmenter", {"name": "Bad Name"}, "file", 422),
            ("segmenter", {}, "file", 422),
            ("segmenter", {"name": "x", "diameter_px": "-4"}, "file", 422),
            ("segmenter", {"name": "x", "licence": "a\0"}, "file", 422),
            ("segmenter", {"name": "x", "description": "a\0"}, "file", 422),
            ("segmenter", {"name": "x"}, "weights", 422),
            ("nonsense", {"name": "x"}, "file", 422),
        ],
    )
    def test_wrong_upload(
        self, client: httpx.Client, kind: str, fields: dict[str, str], file_field: str, status: int
    ) -> None:
        """An upload without a usable name, or of a kind that does not exist, is refused."""
        answer = client.post(f"/v1/artifacts/{kind}", data=fields, files={file_field: ("w.pth", WEIGHTS)})

        assert status == answer.status_code

    def test_of_a_generator_says_how_it_was_trained(self, client: httpx.Client) -> None:
        """Numbers of the form arrive in the job as numbers, and wrong ones are refused."""
        fields = {
            "name": "net",
            "method": "cyclegan",
            "canvas_px": "48",
            "scale": "1.2",
            "background": "keep",
        }
        answers = [
            client.post("/v1/artifacts/generator", data=data, files={"file": ("w.pth", WEIGHTS)})
            for data in (fields, fields | {"canvas_px": "47"}, fields | {"method": "gan"})
        ]
        params = answers[0].json()["params"]

        assert [202, 422, 422] == [answer.status_code for answer in answers]
        assert ("cyclegan", 48, 1.2, "keep") == tuple(
            params[name] for name in ("method", "canvas_px", "scale", "background")
        )

    @pytest.mark.parametrize("kind", ["segmenter", "classifier", "generator"])
    def test_job_knows_what_was_uploaded(self, client: httpx.Client, kind: str) -> None:
        """Which kind of network the weights belong to is among the job's inputs."""
        answer = client.post(f"/v1/artifacts/{kind}", data={"name": "x"}, files={"file": ("w.pth", WEIGHTS)})

        assert (202, kind) == (answer.status_code, answer.json()["inputs"]["kind"])

    def test_upload_without_file(self, client: httpx.Client) -> None:
        """An upload needs its file."""
        body = b'--B\r\nContent-Disposition: form-data; name="name"\r\n\r\nours\r\n--B--\r\n'
        answer = client.post(
            "/v1/artifacts/segmenter",
            content=body,
            headers={"content-type": "multipart/form-data; boundary=B"},
        )

        assert (422, "file") == (answer.status_code, answer.json()["errors"][0]["field"])
