"""Whatever changes something leaves a row in the audit trail, in the transaction of the change.

Each route that is not a GET is either called here with a request that works, or named with the reason
why there is nothing to record.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import func, select, update

from api.app import create_app
from api.routing import routes_of
from api.wiring import Wiring, wire
from services.artifacts.service import ArtifactService
from services.config import Settings
from services.db.tables import AuditRow, BatchRow, JobItemRow, JobRow
from services.jobs.dispatch import NullDispatcher
from tests.support.datasets import labelled_archive, new_name, post_archive
from tests.support.drawn import drawn_masks, masks_file
from tests.support.http import serving, tiff_bytes, upload
from tests.support.imported import import_crops

pytestmark = pytest.mark.integration

Route = tuple[str, str]

CHANGE_NOTHING: Final[dict[Route, str]] = {
    (
        "POST",
        "/v1/artifacts/filter/{name}/{version_or_alias}/score",
    ): "computes verdicts on numbers that the caller sends, and keeps nothing",
    ("POST", "/v1/studies/plan"): "tells what a study would do, and starts nothing",
}
VERDICT: Final = {"class": "aberration", "annotator": "ml"}


@dataclass
class World:
    """A running server, and what the requests below work on."""

    wiring: Wiring
    client: httpx.Client
    made: dict[str, Any] = field(default_factory=dict)

    def send(self, method: str, path: str, **options: Any) -> Any:
        """Send a request that must succeed; gives back its JSON."""
        answer = self.client.request(method, path, **options)

        assert answer.is_success, f"{method} {path}: {answer.text}"
        return answer.json() if answer.content else None

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """Make something when it is first needed."""
        if name not in self.made:
            self.made[name] = make()
        return self.made[name]

    def key(self) -> str:
        """Id of a new key."""
        body = {"name": str(uuid.uuid4()), "scopes": ["read"]}
        return str(self.send("POST", "/v1/keys", json=body)["id"])

    def job(self) -> str:
        """Id of a job that waits for ever."""
        return str(self.send("POST", "/v1/jobs", json={"kind": "diagnostic", "items": 1})["id"])

    def failed_job(self) -> str:
        """Id of a job whose only item failed."""
        job_id = self.job()
        with self.wiring.sessions.begin() as session:
            session.execute(update(JobItemRow).where(JobItemRow.job_id == job_id).values(status="failed"))
        return self._ended(job_id, status="failed")

    def filtering_job(self) -> str:
        """Id of a filtering job that had no crops."""
        result = {"level": 0.5, "max_percentile": None}
        return self._ended(self.job(), kind="filtering", result=result, artifacts={"filter": "f/1"})

    def _ended(self, job_id: str, status: str = "succeeded", **values: Any) -> str:
        change = update(JobRow).where(JobRow.id == job_id)
        with self.wiring.sessions.begin() as session:
            session.execute(change.values(status=status, finished_at=func.now(), **values))
        return job_id

    def image(self) -> str:
        """Id of an image."""
        batch = self.once("batch", lambda: upload(self.client, f"S-{uuid.uuid4()}"))
        return str(batch["items"][0]["image_id"])

    def crops(self) -> tuple[str, ...]:
        """Ids of two crops."""
        found: tuple[str, ...] = self.once("crops", lambda: import_crops(self.wiring, 2))
        return found

    def segmenter(self) -> str:
        """Name of a segmenter with one version."""
        name = f"seg-{uuid.uuid4().hex[:8]}"
        with self.wiring.sessions.begin() as session:
            artifacts = ArtifactService(session, self.wiring.store)
            artifacts.add("segmenter", name, {"diameter_px": 20.0}, {"weights.safetensors": b"weights"})
        return name

    def file(self) -> str:
        """Id of an upload that was announced."""
        body = {"filename": "a.tif", "size_bytes": 4}
        return str(self.send("POST", "/v1/uploads", json=body)["id"])

    def webhook(self) -> str:
        """Id of a webhook."""
        body = {"url": "http://127.0.0.1:8009/lims"}
        return str(self.once("webhook", lambda: self.send("POST", "/v1/webhooks", json=body))["id"])

    def message(self) -> str:
        """Path of a message to that webhook."""
        path = f"/v1/webhooks/{self.webhook()}"
        message = self.once("message", lambda: self.send("POST", f"{path}/test"))
        return f"{path}/deliveries/{message['id']}"


def _batch(world: World) -> None:
    upload(world.client, f"S-{uuid.uuid4()}")


def _dataset(world: World) -> None:
    assert 201 == post_archive(world.client, labelled_archive(seed=97), new_name()).status_code


def _weights(world: World) -> None:
    fields = {"name": f"seg-{uuid.uuid4().hex[:8]}"}
    world.send("POST", "/v1/artifacts/segmenter", data=fields, files={"file": ("w.safetensors", b"weights")})


def _masks(world: World) -> None:
    content, headers = masks_file(*drawn_masks()), {"Content-Type": "image/tiff"}
    world.send("PUT", f"/v1/images/{world.image()}/masks", content=content, headers=headers)


def _verdicts(world: World) -> None:
    items = [{"crop_id": crop, **VERDICT} for crop in world.crops()]
    world.send("PUT", "/v1/crops/annotations", json={"annotations": items})


def _content(world: World) -> None:
    headers = {"Content-Type": "application/octet-stream"}
    world.send("PUT", f"/v1/uploads/{world.file()}/content", content=b"1234", headers=headers)


def _alias(world: World) -> None:
    path = f"/v1/artifacts/segmenter/{world.segmenter()}/aliases/production"
    world.send("PUT", path, json={"version": 1})


CHANGES: Final[dict[Route, tuple[str, Callable[[World], object]]]] = {
    ("POST", "/v1/batches"): ("batch.received", _batch),
    ("POST", "/v1/uploads"): ("upload.promised", World.file),
    ("PUT", "/v1/uploads/{upload_id}/content"): ("upload.received", _content),
    ("PUT", "/v1/images/{image_id}/masks"): ("image.masks", _masks),
    ("POST", "/v1/jobs"): ("job.submitted", World.job),
    ("POST", "/v1/jobs/{job_id}/cancel"): (
        "job.cancelled",
        lambda world: world.send("POST", f"/v1/jobs/{world.job()}/cancel"),
    ),
    ("POST", "/v1/jobs/{job_id}/retry"): (
        "job.retried",
        lambda world: world.send("POST", f"/v1/jobs/{world.failed_job()}/retry"),
    ),
    ("PUT", "/v1/jobs/{job_id}/filtering"): (
        "filtering.redecided",
        lambda world: world.send("PUT", f"/v1/jobs/{world.filtering_job()}/filtering", json={"level": 0.4}),
    ),
    ("PUT", "/v1/crops/annotations"): ("crops.annotated", _verdicts),
    ("PUT", "/v1/crops/{crop_id}/annotation"): (
        "crop.annotated",
        lambda world: world.send("PUT", f"/v1/crops/{world.crops()[0]}/annotation", json=VERDICT),
    ),
    ("POST", "/v1/datasets"): ("dataset.created", _dataset),
    ("POST", "/v1/artifacts/{kind}"): ("artifact.uploaded", _weights),
    ("PUT", "/v1/artifacts/{kind}/{name}/aliases/{alias}"): ("artifact.alias_set", _alias),
    ("POST", "/v1/keys"): ("key.created", World.key),
    ("POST", "/v1/keys/{key_id}/rotate"): (
        "key.rotated",
        lambda world: world.send("POST", f"/v1/keys/{world.key()}/rotate", json={}),
    ),
    ("DELETE", "/v1/keys/{key_id}"): (
        "key.revoked",
        lambda world: world.send("DELETE", f"/v1/keys/{world.key()}"),
    ),
    ("POST", "/v1/webhooks"): (
        "webhook.created",
        lambda world: world.send("POST", "/v1/webhooks", json={"url": "http://127.0.0.1:8009/other"}),
    ),
    ("POST", "/v1/webhooks/{webhook_id}/rotate"): (
        "webhook.rotated",
        lambda world: world.send("POST", f"/v1/webhooks/{world.webhook()}/rotate"),
    ),
    ("POST", "/v1/webhooks/{webhook_id}/enable"): (
        "webhook.enabled",
        lambda world: world.send("POST", f"/v1/webhooks/{world.webhook()}/enable"),
    ),
    ("POST", "/v1/webhooks/{webhook_id}/test"): (
        "webhook.tested",
        lambda world: world.send("POST", f"/v1/webhooks/{world.webhook()}/test"),
    ),
    ("POST", "/v1/webhooks/{webhook_id}/deliveries/{message_id}/redeliver"): (
        "webhook.redelivered",
        lambda world: world.send("POST", f"{world.message()}/redeliver"),
    ),
    # The last one: the others need the webhook.
    ("DELETE", "/v1/webhooks/{webhook_id}"): (
        "webhook.deleted",
        lambda world: world.send("DELETE", f"/v1/webhooks/{world.webhook()}"),
    ),
}


@pytest.fixture(scope="module")
def world(http_settings: Settings) -> Iterator[World]:
    """A server that needs no key, on which webhooks may call this computer."""
    changes = {"webhook_key": SecretStr("w" * 40), "webhook_allowed_networks": "127.0.0.0/8"}
    wired = wire(http_settings.model_copy(update=changes))
    with serving(wired) as address, httpx.Client(base_url=address, timeout=60) as client:
        yield World(wired, client)


def newest(world: World, action: str) -> tuple[int, str]:
    """Number of rows of an action, and who was the last actor."""
    with world.wiring.readers() as session:
        count = session.scalar(select(func.count()).where(AuditRow.action == action)) or 0
        query = select(AuditRow.actor).where(AuditRow.action == action).order_by(AuditRow.id.desc())
        return count, session.scalar(query.limit(1)) or ""


def test_every_route_that_is_no_get_is_in_one_of_the_tables() -> None:
    """A new route fails here until it is recorded, or somebody has said why it need not be."""
    nothing = Settings(_env_file=None, database_url="postgresql+psycopg://", object_store_url="memory:///")
    app = create_app(wire(nothing, dispatcher=NullDispatcher()))
    routes = {(method, route.path) for route in routes_of(app) for method in route.methods or ()}

    assert {route for route in routes if route[0] != "GET"} == set(CHANGES) | set(CHANGE_NOTHING)


@pytest.mark.parametrize("route", CHANGES, ids=" ".join)
def test_change_leaves_a_row_that_names_the_actor(world: World, route: Route) -> None:
    """One request more, one row more at least: of the right action, by whoever called."""
    action, change = CHANGES[route]
    before, _ = newest(world, action)
    change(world)
    after, actor = newest(world, action)

    assert after > before
    assert "local" == actor


class TestTransactions:
    def test_row_that_cannot_be_written_undoes_the_change(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Neither is ever kept without the other: here the trail is full, and nothing has happened."""
        job_id, failed_id = world.job(), world.failed_job()
        counts = [_count(world, row) for row in (JobRow, BatchRow)]
        monkeypatch.setattr("services.audit.AuditRow", _refused)
        body = {"kind": "diagnostic", "items": 1}
        form = {"data": {"sample": "S26-1", "channels": '{"dapi": 0}'}}
        requests: list[tuple[str, str, dict[str, Any]]] = [
            ("POST", "/v1/jobs", {"json": body}),
            ("POST", f"/v1/jobs/{job_id}/cancel", {}),
            ("POST", f"/v1/jobs/{failed_id}/retry", {}),
            ("POST", "/v1/batches", {**form, "files": [("files", ("a.tif", tiff_bytes(98)))]}),
            ("PUT", f"/v1/crops/{world.crops()[1]}/annotation", {"json": VERDICT}),
        ]
        answers = [world.client.request(method, path, **rest) for method, path, rest in requests]
        monkeypatch.undo()

        assert [409] * len(requests) == [answer.status_code for answer in answers]
        assert counts == [_count(world, row) for row in (JobRow, BatchRow)]
        assert "queued" == world.send("GET", f"/v1/jobs/{job_id}")["status"]
        assert "failed" == world.send("GET", f"/v1/jobs/{failed_id}")["status"]


def _count(world: World, row: type[JobRow | BatchRow]) -> int:
    with world.wiring.readers() as session:
        return session.scalar(select(func.count()).select_from(row)) or 0


def _refused(**columns: Any) -> AuditRow:
    """Make a row that the database does not take: it has no action."""
    return AuditRow(**{**columns, "action": None})
