"""OpenAPI links: which call comes after which, and where in the first answer its parameters are.

Generated clients, documentation and tests of sequences follow them. A table here and not a note at each
route, since a link joins two routes and belongs to neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

Route = tuple[str, str]
Answer = tuple[str, str, str]
Parameters = Mapping[str, str]

_ID: Final = "$response.body#/id"
_FIRST_ID: Final = "$response.body#/items/0/id"

_OF_JOB: Final[Mapping[Route, str]] = MappingProxyType(
    {
        ("get", "/v1/jobs/{job_id}"): "job_id",
        ("get", "/v1/jobs/{job_id}/items"): "job_id",
        ("post", "/v1/jobs/{job_id}/cancel"): "job_id",
        ("post", "/v1/jobs/{job_id}/retry"): "job_id",
        ("get", "/v1/crops"): "job",
    }
)
_OF_IMAGE: Final[Mapping[Route, str]] = MappingProxyType(
    {
        ("get", "/v1/images/{image_id}"): "image_id",
        ("get", "/v1/images/{image_id}/content"): "image_id",
        ("get", "/v1/images/{image_id}/preview.png"): "image_id",
        ("put", "/v1/images/{image_id}/masks"): "image_id",
        ("get", "/v1/images/{image_id}/masks"): "image_id",
    }
)
_OF_CROP: Final[Mapping[Route, str]] = MappingProxyType(
    {
        ("get", "/v1/crops/{crop_id}"): "crop_id",
        ("get", "/v1/crops/{crop_id}/image.png"): "crop_id",
        ("get", "/v1/crops/{crop_id}/similar"): "crop_id",
        ("put", "/v1/crops/{crop_id}/annotation"): "crop_id",
    }
)
_OF_DATASET: Final[tuple[Route, ...]] = (
    ("get", "/v1/datasets/{name}/{version}"),
    ("get", "/v1/datasets/{name}/{version}/items"),
    ("get", "/v1/datasets/{name}/{version}/export"),
)
_OF_VERSION: Final[tuple[Route, ...]] = (
    ("get", "/v1/artifacts/{kind}/{name}/{version_or_alias}"),
    ("get", "/v1/artifacts/{kind}/{name}/{version_or_alias}/content"),
)
_OF_WEBHOOK: Final[tuple[Route, ...]] = (
    ("get", "/v1/webhooks/{webhook_id}"),
    ("post", "/v1/webhooks/{webhook_id}/test"),
    ("get", "/v1/webhooks/{webhook_id}/deliveries"),
    ("post", "/v1/webhooks/{webhook_id}/rotate"),
    ("post", "/v1/webhooks/{webhook_id}/enable"),
    ("delete", "/v1/webhooks/{webhook_id}"),
)
_OF_KEY: Final[tuple[Route, ...]] = (("post", "/v1/keys/{key_id}/rotate"), ("delete", "/v1/keys/{key_id}"))


def _each(routes: Mapping[Route, str], expression: str) -> dict[Route, Parameters]:
    return {route: {name: expression} for route, name in routes.items()}


def _named(routes: tuple[Route, ...], **parameters: str) -> dict[Route, Parameters]:
    return dict.fromkeys(routes, parameters)


_JOB: Final = _each(_OF_JOB, _ID)
_DATASET: Final = _named(_OF_DATASET, name="$response.body#/name", version="$response.body#/version")

LINKS: Final[Mapping[Answer, Mapping[Route, Parameters]]] = MappingProxyType(
    {
        ("post", "/v1/batches", "201"): {
            ("get", "/v1/batches/{batch_id}"): {"batch_id": _ID},
            ("get", "/v1/images"): {"batch": _ID},
            **_each(_OF_IMAGE, "$response.body#/items/0/image_id"),
            **_each(_OF_JOB, "$response.body#/job_id"),
        },
        ("get", "/v1/batches", "200"): {("get", "/v1/batches/{batch_id}"): {"batch_id": _FIRST_ID}},
        ("get", "/v1/images", "200"): _each(_OF_IMAGE, _FIRST_ID),
        ("post", "/v1/jobs", "202"): _JOB,
        ("post", "/v1/jobs/{job_id}/cancel", "200"): _JOB,
        ("post", "/v1/jobs/{job_id}/cancel", "202"): _JOB,
        ("post", "/v1/jobs/{job_id}/retry", "202"): _JOB,
        ("get", "/v1/jobs", "200"): _each(_OF_JOB, _FIRST_ID),
        ("get", "/v1/crops", "200"): _each(_OF_CROP, _FIRST_ID),
        ("post", "/v1/datasets", "201"): _DATASET,
        ("post", "/v1/datasets", "200"): _DATASET,
        ("get", "/v1/datasets", "200"): _named(
            _OF_DATASET, name="$response.body#/items/0/name", version="$response.body#/items/0/version"
        ),
        ("post", "/v1/artifacts/{kind}", "202"): _JOB,
        ("get", "/v1/artifacts", "200"): _named(
            _OF_VERSION,
            kind="$response.body#/items/0/kind",
            name="$response.body#/items/0/name",
            version_or_alias="$response.body#/items/0/version",
        ),
        ("post", "/v1/keys", "201"): _named(_OF_KEY, key_id=_ID),
        ("post", "/v1/keys/{key_id}/rotate", "201"): _named(_OF_KEY, key_id=_ID),
        ("post", "/v1/uploads", "201"): {
            ("put", "/v1/uploads/{upload_id}/content"): {"upload_id": _ID},
            ("get", "/v1/uploads/{upload_id}"): {"upload_id": _ID},
        },
        ("post", "/v1/webhooks", "201"): _named(_OF_WEBHOOK, webhook_id=_ID),
        ("get", "/v1/webhooks", "200"): _named(_OF_WEBHOOK, webhook_id=_FIRST_ID),
    }
)


# Jobs on what was just made: their inputs are in the body.
JOBS: Final[Mapping[Answer, Mapping[str, str]]] = MappingProxyType(
    {
        ("post", "/v1/batches", "201"): {"kind": "scoring", "batch_id": _ID},
        ("post", "/v1/datasets", "201"): {
            "kind": "classifier_training",
            "dataset": "{$response.body#/name}/{$response.body#/version}",
            "name": "{$response.body#/name}",
        },
    }
)


def add_links(document: dict[str, Any]) -> None:
    """Write every link into the answer that it starts from; a route that is not there is a `KeyError`."""
    for source, targets in LINKS.items():
        for route, parameters in targets.items():
            _add(document, source, route, {"parameters": dict(parameters)})
    for source, body in JOBS.items():
        _add(document, source, ("post", "/v1/jobs"), {"requestBody": dict(body)})


def _add(document: dict[str, Any], source: Answer, route: Route, filled: dict[str, Any]) -> None:
    method, path, status = source
    target = document["paths"][route[1]][route[0]]
    name = target["operationId"].partition("_v1_")[0]
    answer = document["paths"][path][method]["responses"][status]
    answer.setdefault("links", {})[name] = {
        "operationId": target["operationId"],
        **filled,
        "description": target["summary"],
    }
