"""Archives of tiny chromosomes with labels, and what to do with the data sets made of them."""

from __future__ import annotations

import io
import uuid
import zipfile
from collections.abc import Mapping
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray
from PIL import Image


def chromosome(seed: int, shape: tuple[int, int] = (24, 16), alpha: bool = True) -> NDArray[np.uint8]:  # noqa: FBT001, FBT002 - reads well in tests
    """(h, w, 4) or (h, w, 3) uint8 noise, with an oval mask as alpha."""
    colours = np.random.default_rng(seed).integers(1, 256, (*shape, 3), dtype=np.uint8)
    if not alpha:
        return colours
    y, x = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    return np.dstack([colours, np.where(y**2 + x**2 < 0.8, 255, 0).astype(np.uint8)])


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Bytes of a PNG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def archive(members: Mapping[str, bytes]) -> bytes:
    """Bytes of a ZIP."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return buffer.getvalue()


def labelled_archive(seed: int = 0, per_class: int = 2) -> bytes:
    """Three slides, one per split, each with normals and aberrations."""
    members = {}
    for number, (split, slide) in enumerate((("train", "A06"), ("val", "A04"), ("test", "A02"))):
        for kind, item_class in enumerate(("normal", "aberration")):
            for index in range(per_class):
                one = 1000 * seed + 100 * number + 10 * kind + index
                members[f"{split}/{item_class}/{slide}/{index}.png"] = png(chromosome(one))
    return archive(members)


def new_name() -> str:
    """A data set's name that no other test has."""
    return f"set-{uuid.uuid4().hex[:10]}"


def post_archive(
    client: httpx.Client, content: bytes, name: str | None = None, **fields: str
) -> httpx.Response:
    """Import an archive."""
    return client.post(
        "/v1/datasets",
        data={"name": name or new_name(), **fields},
        files={"file": ("pictures.zip", content, "application/zip")},
    )


def imported(client: httpx.Client, content: bytes, name: str | None = None, **fields: str) -> dict[str, Any]:
    """Import an archive that is sound; returns the version."""
    answer = post_archive(client, content, name, **fields)

    assert answer.status_code in (200, 201), answer.text
    version: dict[str, Any] = answer.json()
    return version


def items_of(client: httpx.Client, version: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All items of a small version."""
    path = f"/v1/datasets/{version['name']}/{version['version']}/items"
    items: list[dict[str, Any]] = client.get(path, params={"limit": "1000"}).json()["items"]
    return items
