from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr, ValidationError
from standardwebhooks.webhooks import Webhook as Reference
from standardwebhooks.webhooks import WebhookVerificationError

from services.clock import utc_now
from services.config import Settings
from services.webhooks.signing import secret_of, signed_headers

KEY = SecretStr("a key of at least thirty-two characters")
BODY = b'{"type":"job.failed"}'


class TestSecrets:
    def test_are_what_the_specification_allows(self) -> None:
        """Prefix, base64, and between 24 and 64 bytes."""
        secret = secret_of(KEY, "webhook_1", 1)

        assert secret.startswith("whsec_")
        assert 32 == len(base64.b64decode(secret.removeprefix("whsec_"), validate=True))

    def test_differ_by_webhook_rotation_and_key(self) -> None:
        """No secret tells anything about another, and the same one can be made again."""
        others = [
            secret_of(KEY, "webhook_1", 2),
            secret_of(KEY, "webhook_2", 1),
            secret_of(KEY, "webhook_11", 1),
            secret_of(KEY, "webhook_1", 11),
            secret_of(SecretStr(KEY.get_secret_value() + "!"), "webhook_1", 1),
        ]

        assert secret_of(KEY, "webhook_1", 1) == secret_of(KEY, "webhook_1", 1)
        assert 6 == len({secret_of(KEY, "webhook_1", 1), *others})

    def test_short_key_stops_the_start_and_is_not_shown(self) -> None:
        """Whoever sets a key that can be guessed is told how to make one, without the key in the message."""
        with pytest.raises(ValidationError, match="openssl rand -hex 32") as refusal:
            Settings(_env_file=None, webhook_key="hunter2hunter2")

        assert "hunter2" not in str(refusal.value)


class TestSignatures:
    def test_example_of_the_specification(self) -> None:
        """The very example that the specification gives."""
        headers = signed_headers(
            ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            b'{"test": 2432232314}',
            datetime.fromtimestamp(1614265330, UTC),
        )

        assert {
            "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "webhook-timestamp": "1614265330",
            "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        } == headers

    def test_old_and_new_secret_verify_after_a_rotation(self) -> None:
        """The reference library accepts the message with either secret, and with no third one."""
        old, new, third = (secret_of(KEY, "webhook_1", generation) for generation in (1, 2, 3))
        headers = signed_headers([new, old], "msg_1", BODY, utc_now())

        assert (
            json.loads(BODY) == Reference(new).verify(BODY, headers) == Reference(old).verify(BODY, headers)
        )
        with pytest.raises(WebhookVerificationError):
            Reference(third).verify(BODY, headers)

    def test_changed_body_does_not_verify(self) -> None:
        """Whoever changes a message on its way is found out."""
        secret = secret_of(KEY, "webhook_1", 1)
        headers = signed_headers([secret], "msg_1", BODY, utc_now())

        with pytest.raises(WebhookVerificationError):
            Reference(secret).verify(BODY.replace(b"failed", b"succeeded"), headers)
