"""``webhooks``: where the service tells that jobs ended, and what became of its messages."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from client.cli.connection import JsonOption, connection_of
from client.cli.exits import ErrorExits
from client.cli.output import print_facts, print_json, print_table, remark
from client.records import Delivery, Webhook

app = typer.Typer(
    cls=ErrorExits, no_args_is_help=True, help="Be told when jobs end. Needs a key with the scope admin."
)

WebhookArgument = Annotated[str, typer.Argument(help="Id of the webhook.", metavar="WEBHOOK")]


@app.command("create")
def create(
    context: typer.Context,
    url: Annotated[str, typer.Argument(help="Where messages are posted to.", metavar="URL")],
    *,
    event: Annotated[
        list[str] | None,
        typer.Option(
            "--event", help="job.succeeded, job.partial, job.failed or job.cancelled; default: all."
        ),
    ] = None,
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Make a webhook. Its secret is shown now and never again."""
    with connection_of(context).open() as client:
        made = client.create_webhook(url, event or (), description)
    _print_with_secret(made, as_json=as_json)


@app.command("list")
def list_webhooks(context: typer.Context, *, as_json: JsonOption = False) -> None:
    """List webhooks and whether messages get through."""
    with connection_of(context).open() as client:
        found = list(client.webhooks())
    if as_json:
        print_json([webhook.as_json() for webhook in found])
        return
    print_table(
        ["webhook", "state", "url", "events", "description", "reason"],
        [(w.id, w.state, w.url, " ".join(w.events), w.description, w.disabled_reason) for w in found],
    )


@app.command("rotate")
def rotate(context: typer.Context, webhook: WebhookArgument, *, as_json: JsonOption = False) -> None:
    """Make a new secret; for 24 hours the one before signs as well."""
    with connection_of(context).open() as client:
        rotated = client.rotate_webhook(webhook)
    _print_with_secret(rotated, as_json=as_json)


@app.command("enable")
def enable(context: typer.Context, webhook: WebhookArgument, *, as_json: JsonOption = False) -> None:
    """Have messages sent again to a webhook that was disabled."""
    with connection_of(context).open() as client:
        _print_webhook(client.enable_webhook(webhook), as_json=as_json)


@app.command("delete")
def delete(context: typer.Context, webhook: WebhookArgument, *, as_json: JsonOption = False) -> None:
    """Have nothing more sent to a webhook."""
    with connection_of(context).open() as client:
        _print_webhook(client.delete_webhook(webhook), as_json=as_json)


@app.command("test")
def try_out(context: typer.Context, webhook: WebhookArgument, *, as_json: JsonOption = False) -> None:
    """Have a message sent that tells of nothing; `deliveries` shows what became of it."""
    with connection_of(context).open() as client:
        _print_delivery(client.test_webhook(webhook), as_json=as_json)


@app.command("deliveries")
def deliveries(
    context: typer.Context,
    webhook: WebhookArgument,
    *,
    status: Annotated[
        Literal["pending", "delivered", "failed"] | None, typer.Option(help="Only this status.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List a webhook's messages, oldest first."""
    with connection_of(context).open() as client:
        found = list(client.deliveries(webhook, status=status))
    if as_json:
        print_json([delivery.as_json() for delivery in found])
        return
    print_table(
        ["message", "event", "subject", "status", "attempts", "next attempt", "error"],
        [(d.id, d.event, d.subject, d.status, d.attempts, d.next_attempt_at, d.last_error) for d in found],
    )


@app.command("redeliver")
def redeliver(
    context: typer.Context,
    webhook: WebhookArgument,
    message: Annotated[str, typer.Argument(help="Id of the message.", metavar="MESSAGE")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Have a message sent again now, whatever became of it."""
    with connection_of(context).open() as client:
        _print_delivery(client.redeliver(webhook, message), as_json=as_json)


def _print_with_secret(webhook: Webhook, *, as_json: bool) -> None:
    _print_webhook(webhook, as_json=as_json)
    if webhook.secret is None:
        remark(f"The answer with the secret was lost on its way. Make another: webhooks rotate {webhook.id}")
    else:
        remark("Keep the secret now; it is not shown again.")


def _print_webhook(webhook: Webhook, *, as_json: bool) -> None:
    if as_json:
        print_json(webhook.as_json())
        return
    facts: list[tuple[str, Any]] = [
        ("webhook", webhook.id),
        ("url", webhook.url),
        ("events", " ".join(webhook.events)),
        ("state", webhook.state),
    ]
    optional = {
        "description": webhook.description,
        "secret": webhook.secret,
        "old secret until": webhook.previous_secret_valid_until,
        "reason": webhook.disabled_reason,
    }
    print_facts([*facts, *((name, value) for name, value in optional.items() if value)])


def _print_delivery(delivery: Delivery, *, as_json: bool) -> None:
    if as_json:
        print_json(delivery.as_json())
        return
    print_facts(
        [
            ("message", delivery.id),
            ("event", delivery.event),
            ("subject", delivery.subject),
            ("status", delivery.status),
        ]
    )
