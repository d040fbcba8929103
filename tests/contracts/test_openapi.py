"""The OpenAPI document says what the running server does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from api.app import create_app
from api.errors import STATUS_OF_CODE
from api.wiring import wire
from services.artifacts.shipped import ShippedWeightsError
from services.config import Settings
from services.errors import KaryobridgeError
from services.jobs.dispatch import NullDispatcher
from services.jobs.errors import (
    AllItemsFailedError,
    IncompleteRunError,
    ItemCrashedWorkerError,
    RunTimeLimitError,
    UnexpectedError,
    WorkerLostError,
)
from tests.support.http import Guarded

pytestmark = pytest.mark.integration


schemathesis.serializer.alias("image/tiff", "application/octet-stream")

# Making the document connects to nothing; the requests go to a running server.
DOCUMENT = create_app(
    wire(
        Settings(_env_file=None, database_url="postgresql+psycopg://", object_store_url="memory:///"),
        dispatcher=NullDispatcher(),
    )
).openapi()
schema = schemathesis.openapi.from_dict(DOCUMENT)
# A part too many is refused as one, whatever else is wrong with it.
schema.config.checks.negative_data_rejection.expected_statuses.append("413")


# These are only ever stored in a job's row, or stop a process before it serves.
NEVER_RAISED_IN_A_REQUEST = {
    AllItemsFailedError,
    IncompleteRunError,
    ItemCrashedWorkerError,
    RunTimeLimitError,
    ShippedWeightsError,
    UnexpectedError,
    WorkerLostError,
}
OTHER_PROCESSES = ("services.embedded", "services.pipelines", "workers", "client", "tests")


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every operation with its path and method."""
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def has_examples(operation: dict[str, Any]) -> bool:
    """Whether all JSON that an operation takes or gives on success is shown by example."""
    told = [operation.get("requestBody", {}).get("content", {})]
    told += [answer.get("content", {}) for status, answer in operation["responses"].items() if status < "3"]
    return all(
        "example" in resolved(content["application/json"]["schema"])
        or "examples" in content["application/json"]
        for content in told
        if "application/json" in content
    )


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """Follow references, and into the items of a page."""
    name = schema.get("$ref", "").rpartition("/")[2]
    if not name:
        return schema
    found: dict[str, Any] = DOCUMENT["components"]["schemas"][name]
    return resolved(found["properties"]["items"]["items"]) if name.startswith("PageView") else found


def subclasses(kind: type[KaryobridgeError]) -> Iterator[type[KaryobridgeError]]:
    """All named errors of what the API imports."""
    for direct in kind.__subclasses__():
        yield direct
        yield from subclasses(direct)


class TestDocument:
    @schema.parametrize()
    @settings(
        max_examples=10,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def test_server_keeps_to_it(self, case: schemathesis.Case, guarded: Guarded) -> None:
        """Whatever is sent, right or wrong, is answered as the document says, and never with a 5xx."""
        headers = {"Authorization": f"Bearer {guarded.admin_key}"}

        # Cursors are opaque, and JSON within a form's field has rules of its own: not all that fits the
        # document's types can be accepted.
        case.call_and_validate(
            base_url=guarded.address,
            headers=headers,
            timeout=10,
            excluded_checks=[positive_data_acceptance],
        )


class TestErrors:
    def test_every_operation_tells_its_errors(self) -> None:
        """Each operation documents its problems, all in the one shape."""
        shapes = {
            answer["content"]["application/problem+json"]["schema"]["$ref"]
            for _, _, operation in operations()
            for status, answer in operation["responses"].items()
            if int(status) >= 400 and not (operation["tags"] == ["system"] and status == "503")
        }

        assert {"#/components/schemas/Problem"} == shapes

    def test_guarded_operations_tell_401_and_403(self) -> None:
        """Whatever is below /v1 needs a key where keys are needed, and says so."""
        untold = [
            f"{method} {path}"
            for path, method, operation in operations()
            if path.startswith("/v1/") and not {"401", "403"} <= set(operation["responses"])
        ]

        assert [] == untold

    def test_every_json_body_has_an_example(self) -> None:
        """An integrator sees an example of whatever is sent or answered as JSON."""
        lacking = [
            f"{method} {path}" for path, method, operation in operations() if not has_examples(operation)
        ]

        assert [] == lacking

    def test_every_error_has_a_status(self) -> None:
        """No named error that a request can meet is a 500 by accident: its code, or its base's, is listed."""
        untold = [
            error.__name__
            for error in subclasses(KaryobridgeError)
            if error not in NEVER_RAISED_IN_A_REQUEST
            and not error.__module__.startswith(OTHER_PROCESSES)
            and not any(getattr(kind, "code", "") in STATUS_OF_CODE for kind in error.__mro__)
        ]

        assert [] == untold
