"""Keeps secrets out of whatever is shown or written: logs, answers about faults, errors of jobs.

Two nets. What a secret looks like (a key, a signed address, a password within a URL) is recognised
anywhere. What this process was given as a secret is recognised by its very value, however it got into
a text: a driver's message, a traceback, a vendor's answer.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterable
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from services.errors import InvalidInputError
from services.secret_files import secret_from_file

HIDDEN: Final = "[redacted]"

# A shorter one is a word that stands in half of all lines, such as the password `postgres`; where it is
# part of a URL it is recognised as that.
_MIN_CHARACTERS: Final = 12
_VENDOR_SECRET = re.compile(r"(?:AWS|AZURE|GOOGLE|OTEL)_\w*(?:SECRET|TOKEN|KEY|HEADERS|PASSWORD)\w*")
_STORE_SECRETS: Final = ("aws_secret_access_key", "aws_session_token")

# Each with a mark without which it cannot match (in lower case): nearly every line has none, and a log
# line is written per request. What stands in the group stays: it says what was there.
_LOOKS: Final = tuple(
    (mark, re.compile(pattern))
    for mark, pattern in (
        ("kb_", r"\b(kb_)[\w-]{16,}"),
        ("whsec_", r"\b(whsec_)[\w+/=-]{8,}"),
        ("bearer ", r"\b((?i:Bearer) )[\w.~+/=-]{8,}"),
        ("basic ", r"\b(Basic )[\w.~+/=-]{8,}"),
        # The password of a URL, whatever the scheme.
        ("://", r"(\b[a-z][a-z0-9+.-]*://[^\s:/?#\"'@]*:)[^\s/?#\"']+(?=@)"),
        # What signs an address of S3, of Google, of Azure.
        ("signature=", r"((?i:signature)=)[^&\s\"'<]+"),
        ("security-token", r"((?i:security-token)(?:=|: ?))[^&\s\"'<]+"),
        ("sig=", r"(\bsig=)[^&\s\"'<]+"),
        ("passw", r"((?i:password|passwd)[\"']?\s*[=:]\s*[\"']?)[^\s\"',&}]+"),
        ("access", r"((?i:secret_?access_?key)[\"']?\s*[=:]\s*[\"']?)[^\s\"',&}]+"),
    )
)


class Redactor:
    """Blots out what looks like a secret, and the secrets that it knows wherever they stand.

    Parameters
    ----------
    secrets
        In clear, as for `learn`.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._known: tuple[str, ...] = ()
        self.learn(secrets)

    def learn(self, secrets: Iterable[str]) -> None:
        """Know these from now on; those of fewer than `_MIN_CHARACTERS` characters are passed over."""
        forms = {form for secret in secrets if len(secret) >= _MIN_CHARACTERS for form in _forms(secret)}
        # A longer one first: it may hold a shorter one.
        self._known = tuple(sorted(forms.union(self._known), key=len, reverse=True))

    def __call__(self, text: str) -> str:
        """Return the text without secrets."""
        for secret in self._known:
            if secret in text:
                text = text.replace(secret, HIDDEN)
        lower = text.lower()
        for mark, pattern in _LOOKS:
            if mark in lower:
                text = pattern.sub(rf"\g<1>{HIDDEN}", text)
        return text


redact: Final = Redactor()
"""The one of this process: `configure_logging` tells it what the process was given."""


def secrets_of(settings: BaseSettings) -> Collection[str]:
    """Collect what this process was given and must not show: settings, and credentials of its stores."""
    given = [
        value.get_secret_value()
        for name in type(settings).model_fields
        if isinstance(value := getattr(settings, name), SecretStr)
    ]
    given += [value for name, value in os.environ.items() if _VENDOR_SECRET.fullmatch(name)]
    given += [found for name in _STORE_SECRETS if (found := _from_file(name)) is not None]
    return {secret for value in given for secret in (value, _password_of(value)) if secret}


def _from_file(name: str) -> str | None:
    # Whoever needs the file says what is wrong with it; there is nothing to hide then.
    try:
        return secret_from_file(name)
    except InvalidInputError:
        return None


def _password_of(text: str) -> str:
    try:
        return urlsplit(text).password or ""
    except ValueError:
        return ""


def _forms(secret: str) -> set[str]:
    """How a secret may be written: as it is, in a URL, in JSON."""
    plain = {secret, unquote(secret)}
    return plain | {quote(one, safe="") for one in plain} | {json.dumps(one)[1:-1] for one in plain}
