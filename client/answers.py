"""JSON answers as records, and lists that follow their cursors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

from pydantic import ValidationError

from client.errors import UnexpectedAnswerError
from client.records import Record
from client.transport import Transport

PAGE_SIZE = 500

AnyRecord = TypeVar("AnyRecord", bound=Record)


def record_of(transport: Transport, record: type[AnyRecord], answer: Any) -> AnyRecord:
    """Read one record.

    Raises
    ------
    UnexpectedAnswerError
        A member that the contract promises is missing or of another type.
    """
    try:
        return record.model_validate(answer)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the answer"
        raise UnexpectedAnswerError(
            transport.base_url, f"{record.__name__}: {where}: {first['msg']}"
        ) from error


def get(transport: Transport, record: type[AnyRecord], path: str) -> AnyRecord:
    """GET one record."""
    return record_of(transport, record, transport.json("GET", path))


def list_all(transport: Transport, record: type[AnyRecord], path: str, **filters: Any) -> Iterator[AnyRecord]:
    """Yield a whole list, with one page in memory at a time; filters that are None are left out."""
    params = {name: value for name, value in filters.items() if value is not None} | {"limit": PAGE_SIZE}
    while True:
        page = transport.json("GET", path, params=params)
        if not isinstance(page, dict) or not isinstance(page.get("items"), list):
            raise UnexpectedAnswerError(transport.base_url, f"{path} is no list")
        for item in page["items"]:
            yield record_of(transport, record, item)
        if not page.get("next_cursor"):
            return
        params = params | {"cursor": page["next_cursor"]}
