"""Secrets and signatures as the Standard Webhooks specification has them.

No secret is stored. Each follows from the service's key, the webhook's id and a count, so a copy of
the database can sign nothing, and a rotation is one number more.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from pydantic import SecretStr

MIN_KEY_CHARACTERS: Final = 32

_PREFIX: Final = "whsec_"


def checked_key(key: SecretStr) -> SecretStr:
    """Return the service's key if it is empty or long enough; raises `ValueError` otherwise."""
    if 0 < len(key.get_secret_value()) < MIN_KEY_CHARACTERS:
        raise ValueError(
            f"WEBHOOK_KEY needs at least {MIN_KEY_CHARACTERS} characters; make one with: openssl rand -hex 32"
        )
    return key


def secret_of(key: SecretStr, webhook_id: str, generation: int) -> str:
    """Return a webhook's secret as its receiver is shown it, ``whsec_`` and 32 bytes in base64."""
    digest = hmac.digest(key.get_secret_value().encode(), f"{webhook_id}:{generation}".encode(), "sha256")
    return _PREFIX + base64.b64encode(digest).decode()


def signed_headers(secrets: Sequence[str], message_id: str, body: bytes, at: datetime) -> dict[str, str]:
    """Return the headers by which a receiver knows a message for ours.

    Parameters
    ----------
    secrets
        Each signs: the newest, and after a rotation the one before.
    at
        The time of this attempt: receivers refuse old ones, so that nobody can play a message back.
    """
    timestamp = str(int(at.timestamp()))
    content = f"{message_id}.{timestamp}.".encode() + body
    digests = [
        hmac.digest(base64.b64decode(secret.removeprefix(_PREFIX)), content, "sha256") for secret in secrets
    ]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests),
    }
