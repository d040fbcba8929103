from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.typing import NDArray

from models.quality.distances import frechet_distance
from models.quality.report import CropSet, chosen, quality_report


def crops(count: int, seed: int, *, prefix: str = "c", dimensions: int | None = 8) -> CropSet:
    """Two-coloured bars of random colours."""
    rng = np.random.default_rng(seed)
    canvases = np.zeros((count, 3, 16, 16), np.uint8)
    masks = np.zeros((count, 16, 16), bool)
    for canvas, mask in zip(canvases, masks, strict=True):
        left, right = rng.integers(3, 6), rng.integers(9, 13)
        mask[1:15, left:right] = True
        canvas[:, 1:8, left:right] = rng.integers(0, 256, (3, 1, 1))
        canvas[:, 8:15, left:right] = rng.integers(0, 256, (3, 1, 1))
    embeddings: NDArray[np.float32] | None = None
    if dimensions:
        embeddings = rng.normal(size=(count, dimensions)).astype(np.float32)
    return CropSet(canvases, masks, [f"{prefix}{row}" for row in range(count)], embeddings=embeddings)


class TestQualityReport:
    def test_is_json_without_nan(self) -> None:
        """Every figure is a plain number or None, even of one crop each."""
        report = quality_report(crops(1, 0, prefix="s"), crops(1, 1), seed=0).to_json()

        assert json.loads(json.dumps(report, allow_nan=False)) == report
        assert report["max_ssim"]["real"] is None
        assert report["embeddings"] is None

    def test_a_set_against_itself_is_all_copies(self) -> None:
        """Its nearest crops are itself, its Fréchet distance is nothing, and it is told from the sources."""
        real = crops(20, 2)

        report = quality_report(real, real, seed=0).to_json()

        assert 1.0 == pytest.approx(report["max_ssim"]["generated"]["p05"])
        assert 20 == report["memorisation"]["copies"] == report["memorisation"]["from_training_source"]
        assert pytest.approx(0.0, abs=1e-5) == report["embeddings"]["frechet_distance"]
        assert {"red": 0.0, "green": 0.0, "dapi": 0.0} == report["wasserstein"]
        assert report["diversity"]["generated"] == report["diversity"]["real"]

    def test_order_changes_nothing(self) -> None:
        """The same crops in another order give the same figures, also where some are chosen."""
        generated, real = crops(30, 3, prefix="s"), crops(16, 4)
        backwards = generated.take(np.arange(30)[::-1])

        first, second = (
            quality_report(one, real, seed=1, max_generated=20).to_json() for one in (generated, backwards)
        )

        assert first == second
        assert {"total": 30, "looked_at": 20} == first["generated"]

    def test_rows_lead_back_to_the_crops(self) -> None:
        """What was looked at can be drawn."""
        generated, real = crops(9, 5, prefix="s"), crops(6, 6)

        report = quality_report(generated, real, seed=0, max_generated=4, max_real=5)

        assert (4, 5) == (len(report.rows), len(report.real_rows)) == (len(set(report.rows)), 5)
        assert len(report.ssim.values) == len(report.copies.copies) == 4
        assert report.ssim.nearest.max() < 5

    def test_yardstick_is_between_halves_of_the_real_crops(self) -> None:
        """Beside each distance stands the same one of real crops alone."""
        generated, real = crops(15, 7, prefix="s"), crops(14, 8)
        report = quality_report(generated, real, seed=0)
        embeddings = real.take(report.real_rows).embeddings
        assert embeddings is not None
        expected = frechet_distance(embeddings[::2], embeddings[1::2])

        assert report.embedded is not None
        assert expected == pytest.approx(report.embedded.yardstick["frechet_distance"])
        assert [7, 7] == report.embedded.yardstick["rows"]

    def test_without_embeddings_there_are_no_distances(self) -> None:
        """The rest of the report stands."""
        report = quality_report(crops(15, 9, prefix="s", dimensions=None), crops(14, 10), seed=0).to_json()

        assert report["embeddings"] is None
        assert report["max_ssim"]["generated"] is not None

    def test_nothing_cannot_be_compared(self) -> None:
        """An empty set is refused."""
        with pytest.raises(ValueError, match="0 synthetic and 3 real"):
            quality_report(crops(3, 0).take(np.arange(0)), crops(3, 0), seed=0)

    def test_check_can_stop(self) -> None:
        """What the callback raises ends the report."""

        def stop() -> None:
            raise TimeoutError

        with pytest.raises(TimeoutError):
            quality_report(crops(3, 0), crops(3, 1), seed=0, check=stop)


class TestCropSet:
    def test_parts_of_other_crops_are_refused(self) -> None:
        """Every part must have N rows."""
        good = crops(3, 0)

        with pytest.raises(ValueError, match="same N crops"):
            CropSet(good.canvases, good.masks, ["a", "b"])


class TestChosen:
    def test_depends_on_the_seed(self) -> None:
        """Another seed chooses others; the limit holds."""
        many = crops(40, 11)

        first, again, other = (set(chosen(many, 10, seed).tolist()) for seed in (1, 1, 2))

        assert first == again != other
        assert 10 == len(first)
