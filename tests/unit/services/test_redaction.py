"""Secrets are blotted out of any text, by what they look like and by what they are."""

from __future__ import annotations

import json

import pytest
from pydantic import SecretStr

from services.auth import SCOPES, ApiKeyService
from services.config import Settings
from services.db.engine import SessionFactory
from services.redaction import HIDDEN, Redactor, redact, secrets_of

SIGNED = "https://s3.lab/b/k?X-Amz-Credential=AKIA%2F1&X-Amz-Signature=0123abcd&partNumber=1"


class TestLooks:
    @pytest.mark.parametrize(
        ("text", "secret"),
        [
            ("Authorization: Bearer abcDEF123._~+/=-x", "abcDEF123"),
            ("authorization: bearer abcDEF123456", "abcDEF123456"),
            ("Authorization: Basic dXNlcjpwYXNzd29yZA==", "dXNlcjpwYXNzd29yZA"),
            ("key whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw was made", "MfKQ9r8GKYqr"),
            ("postgresql+psycopg://kb:p%40ss-w0rd@db/kb is away", "p%40ss-w0rd"),
            ("redis://:hunter2@broker:6379/0", "hunter2"),
            ("amqp://kb:a:b@broker//", "a:b"),
            (SIGNED, "0123abcd"),
            ("https://x.blob/y?se=1&sig=AbC%3D", "AbC%3D"),
            ("host=db password=hunter2 dbname=kb", "hunter2"),
            (json.dumps({"password": "hunter2"}), "hunter2"),
            ("{'aws_secret_access_key': 'wJalrXUtnFEMI'}", "wJalrXUtnFEMI"),
        ],
    )
    def test_of_a_secret_is_enough(self, text: str, secret: str) -> None:
        """What looks like a secret goes, and the text around it stays."""
        found = redact(text)

        assert secret not in found
        assert HIDDEN in found
        assert text[:5] == found[:5]

    def test_of_a_key_that_was_just_made(self, sessions: SessionFactory) -> None:
        """Every key that the service makes is recognised, wherever it stands."""
        with sessions.begin() as session:
            key = ApiKeyService(session).create("lims", SCOPES).key

        assert key not in redact(f"curl -H 'X: {key}'")

    @pytest.mark.parametrize(
        "text",
        [
            "http://127.0.0.1:8000/v1/crops/annotations",
            "postgresql+psycopg://kb@/kb?host=/tmp/socket",
            "to m.koch@lab.org: see http://lims:80/a",
            "POST /v1/jobs 202 Idempotency-Key=LIMS-4711",
            "kb_short basic segmentation; a bearer of news; significance=0.05",
            "dataset translocation/2, threshold: 0.31, token of a lease",
        ],
    )
    def test_of_nothing_secret_changes_nothing(self, text: str) -> None:
        """Logs stay readable."""
        assert text == redact(text)


class TestRedactor:
    SECRET = 'correct horse "battery" staple/42'

    @pytest.mark.parametrize(
        "text",
        [
            SECRET,
            json.dumps({"note": SECRET}),
            "https://x/?q=correct%20horse%20%22battery%22%20staple%2F42&y",
        ],
    )
    def test_knows_a_secret_however_it_is_written(self, text: str) -> None:
        """As it is, within JSON, within a URL."""
        found = Redactor([self.SECRET])(text)

        assert HIDDEN in found
        assert "battery" not in found

    def test_passes_over_words(self) -> None:
        """A password that is a word does not make every line unreadable."""
        assert "connecting to postgres" == Redactor(["postgres"])("connecting to postgres")

    def test_longer_secret_goes_first(self) -> None:
        """A secret that begins like another one leaves no rest behind."""
        assert HIDDEN == Redactor(["a" * 20, "a" * 20 + "rest"])("a" * 20 + "rest")


class TestSecretsOfSettings:
    def test_are_settings_their_passwords_and_the_store_s(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whatever is configured as a secret is known as one, and so is a password within it."""
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG")
        monkeypatch.setenv("AWS_REGION", "eu-central-1")
        settings = Settings(
            _env_file=None,
            database_url=SecretStr("postgresql+psycopg://kb:horse-battery@db/kb"),
            bootstrap_admin_key=SecretStr("k" * 40),
        )

        found = secrets_of(settings)

        assert {"horse-battery", "k" * 40, "wJalrXUtnFEMI/K7MDENG"} <= set(found)
        assert "eu-central-1" not in found
        assert "" not in found

    def test_are_hidden_where_settings_are_shown(self) -> None:
        """Neither repr nor str nor a complaint about another setting shows a secret."""
        secret = "horse-battery-staple"
        given = {
            name: SecretStr(f"redis://kb:{secret}@host/0" if name.endswith("url") else f"{secret}-{secret}")
            for name, field in Settings.model_fields.items()
            if field.annotation is SecretStr
        }
        settings = Settings(_env_file=None, **given)
        with pytest.raises(ValueError, match="port") as refused:
            Settings(_env_file=None, port="eighty", **given)

        assert len(given) >= 5
        assert [] == [text for text in (repr(settings), str(settings), str(refused.value)) if secret in text]

    def test_are_declared_as_such(self) -> None:
        """A setting whose name says that it is secret, or that is a URL with a password, is a SecretStr."""
        loose = [
            name
            for name, field in Settings.model_fields.items()
            if name.endswith(
                ("_key", "_secret", "_password", "_token", "database_url", "broker_url", "storage_url")
            )
            and field.annotation is not SecretStr
            and field.annotation is not bool
        ]

        assert [] == loose
