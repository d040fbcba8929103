"""Errors of models, which know nothing of the product, made fit for a job's item."""

from __future__ import annotations

from typing import Protocol, Self

from services.errors import KaryobridgeError


class CodedError(Protocol):
    """What every error class in `models` offers."""

    @property
    def code(self) -> str:
        """Stable and in snake_case."""

    @property
    def title(self) -> str:
        """One line for people."""


class ItemError(KaryobridgeError):
    """One input's failure, with the code of the model's error."""

    def __init__(self, code: str, title: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code  # type: ignore[misc] # the code is the model's, not this class's
        self.title = title  # type: ignore[misc]

    @classmethod
    def of(cls, error: CodedError) -> Self:
        """Wrap an error of a model."""
        return cls(error.code, error.title, str(error))
