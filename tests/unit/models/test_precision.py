"""Formats that networks compute in: asked for, or what is fastest here."""

from __future__ import annotations

import pytest
import torch

from models.precision import autocast_dtype, training_precision

CPU = torch.device("cpu")


class TestAutocastDtype:
    def test_does_what_is_asked_for(self) -> None:
        """Whatever the hardware likes best."""
        assert None is autocast_dtype("float32", CPU)
        assert torch.bfloat16 == autocast_dtype("bfloat16", CPU)

    @pytest.mark.parametrize(("tiles", "dtype"), [(True, torch.bfloat16), (False, None)])
    def test_auto_needs_matrix_tiles(
        self,
        monkeypatch: pytest.MonkeyPatch,
        tiles: bool,  # noqa: FBT001 - a parameter
        dtype: torch.dtype | None,
    ) -> None:
        """On a processor."""
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: tiles)

        assert dtype == autocast_dtype("auto", CPU)

    def test_knows_no_other(self) -> None:
        """The message lists the known ones."""
        with pytest.raises(ValueError, match="use 'auto', 'float32' or 'bfloat16'"):
            autocast_dtype("float8", CPU)


class TestTrainingPrecision:
    @pytest.mark.parametrize(("vectors", "precision"), [(True, "bfloat16"), (False, "auto")])
    def test_uses_bfloat16_vectors_where_there_are_some(
        self,
        monkeypatch: pytest.MonkeyPatch,
        vectors: bool,  # noqa: FBT001 - a parameter
        precision: str,
    ) -> None:
        """Elsewhere the usual rule holds."""
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: vectors)

        assert precision == training_precision(CPU)

    def test_leaves_gpus_to_the_usual_rule(self) -> None:
        """They are not asked what the processor can do."""
        assert "auto" == training_precision(torch.device("cuda"))
