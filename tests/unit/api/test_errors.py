"""From codes to statuses."""

from __future__ import annotations

import pytest

from api.errors import status_of
from services.auth import ForbiddenError, UnauthenticatedError
from services.errors import ConflictError, InvalidInputError, KaryobridgeError, NotFoundError
from services.idempotency import IdempotencyInFlightError, IdempotencyKeyReusedError
from services.images.errors import TruncatedFileError
from services.jobs.errors import UnknownKindError
from services.storage.base import ObjectNotFoundError, StoreUnavailableError


class TestStatusOf:
    @pytest.mark.parametrize(
        ("error", "status"),
        [
            (UnauthenticatedError("x"), 401),
            (ForbiddenError("admin"), 403),
            (NotFoundError("job", "x"), 404),
            (ConflictError("x"), 409),
            (IdempotencyInFlightError(), 409),
            (InvalidInputError("x"), 422),
            (IdempotencyKeyReusedError(), 422),
            (UnknownKindError("x", []), 422),
            (TruncatedFileError("x"), 422),
            (ObjectNotFoundError("x"), 500),
            (StoreUnavailableError("x"), 503),
        ],
    )
    def test_follows_the_code_or_the_class_above(self, error: KaryobridgeError, status: int) -> None:
        """A code that is not in the table has the status of the class that it derives from."""
        assert status == status_of(error)

    def test_unknown_code_is_our_fault(self) -> None:
        """An error that nobody gave a status is a fault of the service."""

        class Unheard(KaryobridgeError):
            code = "unheard"

        assert 500 == status_of(Unheard("x"))
