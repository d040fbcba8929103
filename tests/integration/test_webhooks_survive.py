"""Webhooks end to end: a real sweeper, and receivers that verify, fail, hang, send on and give up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from standardwebhooks.webhooks import Webhook as Reference

from services.db.engine import SessionFactory
from services.jobs.types import Job
from services.pagination import PageRequest
from services.webhooks.repository import WebhookRepository
from services.webhooks.service import WebhookService
from services.webhooks.types import JOB_EVENTS, Delivery, IssuedWebhook, Webhook
from tests.support.fleet import Fleet, eventually, hasty_fleet
from tests.support.receiver import Received, Receiver, Reply

pytestmark = pytest.mark.integration


@pytest.fixture
def fleet(database_url: str, sessions: SessionFactory, tmp_path: Path) -> Iterator[Fleet]:
    """A fleet whose webhooks may call this machine, and are soon tried again."""
    with hasty_fleet(
        database_url,
        sessions,
        tmp_path,
        webhook_key="k" * 40,
        webhook_allowed_networks="127.0.0.1/32",
        webhook_timeout_s=1.0,
        webhook_pauses_s="0.1,0.2",
    ) as fleet:
        yield fleet


def subscribe(fleet: Fleet, receiver: Receiver) -> IssuedWebhook:
    """Have a receiver told of every end."""
    with fleet.sessions.begin() as session:
        return WebhookService(fleet.settings).create(session, receiver.url, JOB_EVENTS, "", "admin")


def end_a_job(fleet: Fleet) -> Job:
    """Cancel a job that no worker took, which is the fastest end there is."""
    return fleet.jobs.cancel(fleet.submit().id)


def deliveries(fleet: Fleet, webhook: Webhook) -> tuple[Delivery, ...]:
    """All messages to a webhook."""
    with fleet.sessions() as session:
        return WebhookRepository(session).deliveries(webhook.id, None, PageRequest()).items


def wait_ended(fleet: Fleet, webhook: Webhook) -> Delivery:
    """Wait until the only message to a webhook is delivered or given up."""

    def ended() -> Delivery | None:
        (found,) = deliveries(fleet, webhook)
        return found if found.ended_at is not None else None

    return eventually(ended, f"the message to {webhook.url} has ended")


def wait_received(receiver: Receiver, number: int = 1) -> list[Received]:
    """Wait until a receiver has had so many messages."""
    return eventually(
        lambda: receiver.received if len(receiver.received) >= number else None, f"{number} messages arrive"
    )


class TestSweeper:
    def test_sends_verifiable_messages_past_all_kinds_of_receivers(self, fleet: Fleet) -> None:
        """One end of one job: whoever works has it once, and what became of the others is told."""
        with (
            Receiver() as good,
            Receiver(Reply(500), Reply(503), Reply(200)) as shaky,
            Receiver(Reply(500)) as broken,
            Receiver(Reply(hang_s=60)) as silent,
            Receiver(Reply(410)) as gone,
            Receiver() as inner,
            Receiver(Reply(307, {"Location": inner.url})) as sly,
        ):
            issued = {one: subscribe(fleet, one) for one in (good, shaky, broken, silent, gone, sly)}
            job = end_a_job(fleet)
            fleet.sweeper()
            ended = {one: wait_ended(fleet, issued[one].webhook) for one in issued}
            with fleet.sessions() as session:
                disabled = WebhookRepository(session).get(issued[gone].webhook.id).disabled_reason

            assert {good: 1, shaky: 3, broken: 3, silent: 3, gone: 1, sly: 3} == {
                one: len(one.received) for one in issued
            }
            assert {
                good: ("delivered", 204),
                shaky: ("delivered", 200),
                broken: ("failed", 500),
                silent: ("failed", None),
                gone: ("failed", 410),
                sly: ("failed", 307),
            } == {one: (ended[one].status, ended[one].last_status) for one in issued}
            assert [] == inner.received
            assert "The receiver answered 410 Gone." == disabled
            for receiver in (good, shaky):
                message = receiver.received[-1]
                told = Reference(issued[receiver].secret).verify(message.body, message.headers)
                assert ("job.cancelled", job.id) == (told["type"], told["data"]["job"]["id"])
            assert 1 == len({message.headers["webhook-id"] for message in shaky.received})

    def test_killed_in_mid_send_is_made_up_for(self, fleet: Fleet) -> None:
        """A sweeper that dies between message and answer leaves a message that the next one sends again."""
        with Receiver(Reply(hang_s=0.8), Reply()) as receiver:
            webhook = subscribe(fleet, receiver).webhook
            end_a_job(fleet)
            first = fleet.sweeper()
            wait_received(receiver)
            first.kill()
            (abandoned,) = deliveries(fleet, webhook)
            fleet.sweeper()
            ended = wait_ended(fleet, webhook)

            assert ("pending", "delivered", 2) == (abandoned.status, ended.status, ended.attempts)
            assert {ended.id: 2} == Counter(message.headers["webhook-id"] for message in receiver.received)

    def test_polite_end_finishes_what_it_began(self, fleet: Fleet) -> None:
        """A sweeper that is asked to stop notes the answer of the message that it is sending."""
        with Receiver(Reply(hang_s=0.5)) as receiver:
            webhook = subscribe(fleet, receiver).webhook
            end_a_job(fleet)
            sweeper = fleet.sweeper()
            wait_received(receiver)
            status = sweeper.stop()

            assert 0 == status
            assert ["delivered"] == [one.status for one in deliveries(fleet, webhook)]

    def test_checks_the_address_again_before_each_message(self, fleet: Fleet) -> None:
        """A webhook whose address may not be called (any more) gets nothing, and its messages say why."""
        with Receiver() as receiver:
            webhook = subscribe(fleet, receiver).webhook
            with fleet.sessions.begin() as session:
                elsewhere = receiver.url.replace("127.0.0.1", "127.0.0.2")
                session.execute(text("UPDATE webhooks SET url = :url"), {"url": elsewhere})
            end_a_job(fleet)
            fleet.sweeper()
            ended = wait_ended(fleet, webhook)

            assert ("failed", None) == (ended.status, ended.last_status)
            assert "not on the public internet" in str(ended.last_error)
            assert [] == receiver.received
