"""Secrets from files: whatever may be set as ``NAME`` may be named as ``NAME_FILE`` instead.

An environment is shown to whoever may look at a container or at ``/proc``; a mounted file is not.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource

from services.errors import InvalidInputError

MAX_SECRET_BYTES: Final = 64 * 1024


def secret_from_file(name: str) -> str | None:
    """Read the file that the environment names as ``NAME_FILE``; None if it names none.

    Raises
    ------
    InvalidInputError
        The file cannot be read, or is too large to be a secret.
    """
    variable = f"{name.upper()}_FILE"
    path = os.environ.get(variable)
    if not path:
        return None
    try:
        with Path(path).open("rb") as stream:
            content = stream.read(MAX_SECRET_BYTES + 1)
        text = content.decode("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise InvalidInputError(f"{variable} names {path!r}, which cannot be read: {reason}.") from error
    if len(content) > MAX_SECRET_BYTES or "\n" in text:
        raise InvalidInputError(f"{variable} names {path!r}, which holds more than one line.")
    return text


class SecretFiles(PydanticBaseSettingsSource):
    """The source of settings for pydantic: every field that is a secret."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the file's content, the field's name, and that it is no JSON."""
        value = secret_from_file(field_name) if field.annotation is SecretStr else None
        return value, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return all that files say."""
        found = {
            name: self.get_field_value(field, name)[0]
            for name, field in self.settings_cls.model_fields.items()
        }
        return {name: value for name, value in found.items() if value is not None}
