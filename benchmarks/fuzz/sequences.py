"""Sequences of calls along the links of the OpenAPI document: what one call made, the next ones use.

A batch is uploaded and its images are asked for; a job is submitted, cancelled, and submitted again; a key is
made, rotated and taken away. Every answer must be one that the document promises, and no 5xx.
"""

from __future__ import annotations

import copy
import itertools
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import hypothesis
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis.errors import FlakyStrategyDefinition
from schemathesis import GenerationMode
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    ignored_auth,
    negative_data_rejection,
    positive_data_acceptance,
)

from benchmarks.fuzz.seeds import dataset_seeds, tiff_seeds

_RUNS_AT_ONCE = 10
# A stream of events ends with its job, and here no worker ends any.
_ENDLESS = r"/events$"
_TIMEOUT_S = 30
# Cursors are opaque, and JSON in a form's field has rules of its own: not all that fits the document can be
# accepted, and the bytes of a sound picture count as no string. Calls with wrong keys would be slowed down,
# as they should. Other tests look at all three.
_NOT_HERE = [positive_data_acceptance, negative_data_rejection, ignored_auth]


@dataclass
class Walked:
    """What was called.

    Attributes
    ----------
    calls
        By operation and status.
    links
        Steps that followed a link and succeeded, by the link.
    broken
        What the document does not promise, by the call.
    """

    sequences: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    links: Counter[str] = field(default_factory=Counter)
    broken: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return what a results file keeps."""
        statuses = Counter(call.rpartition(" ")[2] for call in self.calls.elements())
        return {
            "sequences": self.sequences,
            "calls": self.calls.total(),
            "statuses": dict(sorted(statuses.items())),
            "operations": len({call.rpartition(" ")[0] for call in self.calls}),
            "links_followed": self.links.total(),
            "different_links": len(self.links),
            "links": dict(sorted(self.links.items())),
            "broken": self.broken,
        }


def walk(
    document: Mapping[str, Any], address: str, headers: Mapping[str, str], *, runs: int, steps: int, seed: int
) -> Walked:
    """Walk along links.

    Parameters
    ----------
    document
        The OpenAPI document of the server at `address`.
    headers
        Sent with every call.
    runs, steps
        Sequences at least, and calls of each at most.
    """
    schemathesis.serializer.alias("image/tiff", "application/octet-stream")
    walked = Walked()
    about = {"walked": walked, "address": address, "headers": headers, "document": document}
    few = settings(
        max_examples=_RUNS_AT_ONCE,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    machine: Any = type("Walk", (_Walking, _schema_of(document).as_state_machine()), about)
    for number in range(runs):
        if walked.sequences >= runs:
            break
        hypothesis.seed(f"{seed} {number}")(machine)
        # A server remembers what earlier sequences did, so the same calls may be answered otherwise.
        with suppress(FlakyStrategyDefinition):
            machine.run(settings=few)
    return walked


def _schema_of(document: Mapping[str, Any]) -> Any:
    """The document with sound bodies in the place of schemas: a refused one ends a sequence at once."""
    narrowed = copy.deepcopy(dict(document))
    for (label, media_type), bodies in _sound_bodies(document).items():
        method, _, path = label.partition(" ")
        if media_type == "application/json":
            content = narrowed["paths"][path][method.lower()]["requestBody"]["content"]
            content[media_type] = {"schema": {"enum": bodies}}
    schema = schemathesis.openapi.from_dict(narrowed).exclude(path_regex=_ENDLESS)
    # Only what the document says: guesses of other links would hide that one is missing.
    schema.config.phases.stateful.inference.algorithms = []
    # Wrong input is tried operation by operation elsewhere.
    schema.config.phases.stateful.generation.update(modes=[GenerationMode.POSITIVE])
    return schema


class _Walking:
    """What is done around each call; stands before schemathesis' own class for the document."""

    walked: Walked
    address: str
    headers: Mapping[str, str]
    document: Mapping[str, Any]
    control: Any

    def setup(self) -> None:
        """Begin a sequence."""
        number = self.walked.sequences
        self.walked.sequences += 1
        self.control = _Starts(self.control)
        self._turns = itertools.count(number)
        self._sound = {
            where: itertools.islice(itertools.cycle(bodies), number % len(bodies), None)
            for where, bodies in _sound_bodies(self.document).items()
            if where[1] != "application/json"
        }

    def before_call(self, case: Any) -> None:
        """Put what can work in the place of what was generated."""
        turn = next(self._turns)
        if "Idempotency-Key" in (case.headers or {}):
            # Generated ones are so short that they come again, with other bodies.
            case.headers["Idempotency-Key"] = f"walk-{self.walked.sequences}-{turn}"
        sound = self._sound.get((case.operation.label, case.media_type))
        if sound is not None:
            case.body = _renamed(next(sound), f"{self.walked.sequences}-{turn}")
        elif case.media_type == "application/json":
            case.body = _renamed(case.body, f"{self.walked.sequences}-{turn}")

    def get_call_kwargs(self, _: Any) -> dict[str, Any]:
        """Say where the server is."""
        return {"base_url": self.address, "headers": dict(self.headers), "timeout": _TIMEOUT_S}

    def step(self, given: Any) -> Any:
        """Call, and count."""
        output = super().step(given)  # type: ignore[misc]
        status = output.response.status_code
        self.walked.calls[f"{given.case.operation.label} {status}"] += 1
        if given.transition is not None and given.is_applied and status < 400:
            self.walked.links[given.transition.id] += 1
        return output

    def validate_response(self, response: Any, case: Any, *_: Any, **__: Any) -> None:
        """Note what the document does not promise, and go on."""
        try:
            case.validate_response(response, excluded_checks=_NOT_HERE)
        except FailureGroup as error:
            self.walked.broken[f"{case.operation.label} {response.status_code}"] = str(error)


class _Starts:
    """Starts no sequence at a path with an id in it: a made-up one ends it at once."""

    def __init__(self, control: Any) -> None:
        self._control = control

    def __getattr__(self, name: str) -> Any:
        return getattr(self._control, name)

    def allow_root_transition(self, label: str, known: Any) -> bool:
        return "{" not in label and self._control.allow_root_transition(label, known)


def json_examples(document: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Examples of each operation that takes JSON, by its method and path."""
    found = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if examples := _examples(body or {}, document):
                found[f"{method.upper()} {path}"] = examples
    return found


def _sound_bodies(document: Mapping[str, Any]) -> dict[tuple[str, str], list[Any]]:
    """Bodies that can work, by operation and media type: examples of JSON, and files."""
    form, pictures, examples = "multipart/form-data", list(tiff_seeds()), json_examples(document)
    diagnostics = [{"kind": "diagnostic", "items": items} for items in range(1, 10)]
    return {
        **{(label, "application/json"): bodies for label, bodies in examples.items()},
        ("POST /v1/batches", form): [{"sample": "S-1", "files": [picture]} for picture in pictures],
        ("POST /v1/datasets", form): [{"name": "walk", "file": archive} for archive in dataset_seeds()],
        ("POST /v1/artifacts/{kind}", form): [{"name": "walk", "file": b"weights"}],
        ("PUT /v1/images/{image_id}/masks", "image/tiff"): pictures,
        ("POST /v1/jobs", "application/json"): [*diagnostics, *examples["POST /v1/jobs"]],
        ("POST /v1/uploads", "application/json"): [{"filename": "a.tif", "size_bytes": len(pictures[0])}],
        ("PUT /v1/uploads/{upload_id}/content", "application/octet-stream"): pictures[:1],
        # A name would be looked up, and there may be nobody to ask.
        ("POST /v1/webhooks", "application/json"): [{"url": "https://1.1.1.1/jobs"}],
    }


def _examples(body: Mapping[str, Any], document: Mapping[str, Any]) -> list[Any]:
    told = [one["value"] for one in body.get("examples", {}).values()]
    name = body.get("schema", {}).get("$ref", "").rpartition("/")[2]
    schema = document["components"]["schemas"].get(name, {})
    return told + ([schema["example"]] if "example" in schema else [])


def _renamed(body: Any, suffix: str) -> Any:
    """Give what is made a name of its own, where the example has one: the second of a name is refused."""
    return {**body, "name": f"{body['name']}-{suffix}"} if isinstance(body, dict) and "name" in body else body
