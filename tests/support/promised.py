"""Large files on their way: promised, sent to where the service says, named in a request."""

from __future__ import annotations

from typing import Any

import httpx


def promise(
    client: httpx.Client, content: bytes, filename: str = "metaphase.tif", **told: Any
) -> dict[str, Any]:
    """Announce a file; returns what the service says of it."""
    answer = client.post("/v1/uploads", json={"filename": filename, "size_bytes": len(content), **told})

    assert answer.status_code == 201, answer.text
    promised: dict[str, Any] = answer.json()
    return promised


def send(client: httpx.Client, promised: dict[str, Any], content: bytes) -> httpx.Response:
    """Send the bytes, with the key only where the address is the service's own."""
    if promised["url"].startswith("/"):
        return client.put(promised["url"], content=content, headers=promised["headers"])
    return httpx.put(promised["url"], content=content, headers=promised["headers"])


def sent(client: httpx.Client, content: bytes, filename: str = "metaphase.tif") -> str:
    """Promise and send a file; returns its id."""
    promised = promise(client, content, filename)
    answer = send(client, promised, content)

    assert answer.is_success, answer.text
    return str(promised["id"])


def take(client: httpx.Client, sample: str, ids: list[str], **options: Any) -> httpx.Response:
    """Name uploads in a batch; `files` come with it."""
    files = options.pop("files", {})
    parts: list[Any] = [("uploads", (None, upload_id)) for upload_id in ids]
    parts += [("files", (name, content)) for name, content in files.items()]
    fields = {"sample": sample, "channels": '{"dapi": 0}'}
    return client.post("/v1/batches", data=fields, files=parts, **options)
