from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.fuzz.sequences import walk
from tests.contracts.test_openapi import DOCUMENT, resolved
from tests.support.http import Guarded

pytestmark = pytest.mark.integration


EXPRESSION = re.compile(r"\$response\.body#/(?:items/0/)?(\w+)")


def links() -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Every link with its name and the answer that it starts from."""
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            for status, answer in operation["responses"].items():
                for name, link in answer.get("links", {}).items():
                    yield f"{method} {path} {status} {name}", link, answer


def operation_of(link: dict[str, Any]) -> dict[str, Any]:
    """The operation that a link leads to."""
    found: dict[str, Any] = next(
        operation
        for methods in DOCUMENT["paths"].values()
        for operation in methods.values()
        if operation["operationId"] == link["operationId"]
    )
    return found


class TestLinks:
    def test_parameters_are_those_of_the_target(self) -> None:
        """A link fills parameters that its target has, and all that its path needs."""
        wrong = []
        for name, link, _ in links():
            parameters = operation_of(link)["parameters"]
            known = {one["name"] for one in parameters}
            needed = {one["name"] for one in parameters if one["in"] == "path"}
            if not needed <= set(link.get("parameters", {})) <= known:
                wrong.append(name)

        assert [] == wrong

    def test_values_are_in_the_answer(self) -> None:
        """A link takes its values from fields that the answer has."""
        wrong = []
        for name, link, answer in links():
            schema = resolved(answer["content"]["application/json"]["schema"])
            inner = schema["properties"].get("items", {}).get("items", {})
            known = {**schema["properties"], **(resolved(inner)["properties"] if inner else {})}
            told = [*link.get("parameters", {}).values(), *link.get("requestBody", {}).values()]
            fields = {field for text in told for field in EXPRESSION.findall(text)}
            if not fields or not fields <= set(known):
                wrong.append(name)

        assert [] == wrong


class TestSequences:
    def test_what_one_call_makes_the_next_ones_find(self, guarded: Guarded) -> None:
        """Along the links, every answer is one that the document promises, and some calls succeed."""
        headers = {"Authorization": f"Bearer {guarded.admin_key}"}

        walked = walk(DOCUMENT, guarded.address, headers, runs=20, steps=6, seed=1)

        assert {} == walked.broken
        assert walked.calls.total() > 60
        assert len(walked.links) > 3
