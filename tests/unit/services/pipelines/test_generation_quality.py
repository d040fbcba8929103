from __future__ import annotations

import json
from typing import Any

import cv2
import numpy as np
import pytest

from services.pipelines.generation_quality import QualityFiles, build_quality

PICTURES = {"max_ssim", "samples", "most_alike", "least_alike", "copies", "histograms", "diversity"}


def bars(count: int, seed: int, *, width: int = 4) -> dict[str, Any]:
    """Two-coloured bars on black, and their masks."""
    rng = np.random.default_rng(seed)
    canvases, masks = np.zeros((count, 3, 16, 16), np.uint8), np.zeros((count, 16, 16), bool)
    across = slice(8 - width // 2, 8 + width // 2)
    masks[:, 1:15, across] = True
    canvases[:, :, 1:8, across] = rng.integers(0, 256, (count, 3, 1, 1))
    canvases[:, :, 8:15, across] = rng.integers(0, 256, (count, 3, 1, 1))
    return {"canvases": canvases, "masks": masks}


def arguments(generated: dict[str, Any], real: dict[str, Any], **others: Any) -> dict[str, Any]:
    """Arguments of a report on these crops, made from sources of which none was learned from."""
    return {
        "generated": generated["canvases"],
        "masks": generated["masks"],
        "sources": generated["canvases"],
        "source_ids": [f"s{row}" for row in range(len(generated["masks"]))],
        "real": real["canvases"],
        "real_masks": real["masks"],
        "real_ids": [f"r{row}" for row in range(len(real["masks"]))],
        "seed": 0,
    } | others


def on_new_crops() -> dict[str, Any]:
    """Arguments with synthetic crops that look like no real one, and with embeddings."""
    rng = np.random.default_rng(2)
    one, other = (rng.normal(size=(14, 6)).astype(np.float32) for _ in range(2))
    return arguments(bars(14, 0, width=10), bars(14, 1), embeddings_generated=one, embeddings_real=other)


def height_of(png: bytes) -> int:
    """Height of a picture in pixels."""
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return int(picture.shape[0])


@pytest.fixture(scope="module")
def new() -> QualityFiles:
    """Report on crops that look like no real one."""
    return build_quality(**on_new_crops())


class TestBuildQuality:
    def test_keeps_figures_and_pictures(self, new: QualityFiles) -> None:
        """Plain numbers, and PNG files by their names."""
        assert new.report == json.loads(json.dumps(new.report, allow_nan=False))
        assert {"total": 14, "looked_at": 14} == new.report["generated"]
        assert PICTURES == set(new.pictures)
        assert min(height_of(png) for png in new.pictures.values()) > 20

    def test_embeddings_add_distances(self, new: QualityFiles) -> None:
        """With the classifier's embeddings of both the report has Fréchet and kernel distance."""
        assert {"frechet_distance", "kernel_distance", "yardstick"} <= set(new.report["embeddings"])

    def test_copies_are_drawn(self, new: QualityFiles) -> None:
        """The gallery of a copied set holds its crops; that of a new one is a sentence."""
        real = bars(8, 1)

        copied = build_quality(**arguments(real, real))

        assert (0, 8) == (new.report["memorisation"]["copies"], copied.report["memorisation"]["copies"])
        assert height_of(new.pictures["copies"]) < 64 < height_of(copied.pictures["copies"])

    def test_the_same_crops_give_the_same_bytes(self, new: QualityFiles) -> None:
        """A repeated report does not differ, so that its objects keep their keys."""
        assert new == build_quality(**on_new_crops())

    def test_sources_of_other_crops_are_refused(self) -> None:
        """Each synthetic crop has one source."""
        generated = bars(3, 0)

        with pytest.raises(ValueError, match="not those of"):
            build_quality(**arguments(generated, bars(3, 1), sources=generated["canvases"][:2]))
