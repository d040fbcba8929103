from __future__ import annotations

from random import Random

import httpx
import pytest

from benchmarks.fuzz.http import existing
from benchmarks.fuzz.requests import request_makers
from tests.contracts.test_openapi import DOCUMENT, operations

pytestmark = pytest.mark.integration

PER_KIND = 4


class TestChangedRequests:
    @pytest.mark.filterwarnings("ignore")  # decoders warn of what they go on with
    def test_are_never_a_fault_of_the_service(self, client: httpx.Client) -> None:
        """Files, forms and JSON that were changed at random are taken or refused, and never a 5xx."""
        makers = request_makers(DOCUMENT, existing(client))

        answers = {
            (name, number): make(Random(f"test {name} {number}")).send(client)
            for name, make in makers.items()
            for number in range(PER_KIND)
        }

        assert {} == {which: answer.text for which, answer in answers.items() if answer.status_code >= 500}
        assert {"201", "202", "400", "422"} <= {str(answer.status_code) for answer in answers.values()}

    def test_are_made_for_every_body_of_json(self) -> None:
        """An operation that takes JSON is tried as soon as it has an example, and each has one."""
        taking = {
            f"{method.upper()} {path}"
            for path, method, operation in operations()
            if "application/json" in operation.get("requestBody", {}).get("content", {})
        }

        assert taking <= set(request_makers(DOCUMENT, {"image_id": "img_1"}))
