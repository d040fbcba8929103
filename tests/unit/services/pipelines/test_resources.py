"""What a worker process keeps loaded."""

from __future__ import annotations

import pytest
import torch

from services.errors import UnsupportedHereError
from services.pipelines.device import choose_device
from services.pipelines.errors import ItemError
from services.pipelines.resources import ModelCache


class TestModelCache:
    def test_loads_once(self) -> None:
        """A second job with the same network does not load it again."""
        loads: list[str] = []
        cache = ModelCache(size=2)
        for _ in range(3):
            cache.get_or_load("a", lambda: loads.append("a"))

        assert loads == ["a"]

    def test_forgets_what_was_unused_for_longest(self) -> None:
        """Memory stays bounded, and what is in use stays loaded."""
        cache = ModelCache(size=2)
        for key in ("a", "b", "a", "c"):
            cache.get_or_load(key, lambda key=key: key)
        reloaded: list[str] = []
        for key in ("a", "c", "b"):
            cache.get_or_load(key, lambda key=key: reloaded.append(key))

        assert reloaded == ["b"]
        assert len(cache) == 2


class TestChooseDevice:
    def test_cpu_is_cpu(self) -> None:
        """An explicit wish is followed."""
        assert choose_device("cpu") == torch.device("cpu")

    @pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
    def test_cuda_without_a_gpu_is_an_error(self) -> None:
        """Never silently a CPU."""
        with pytest.raises(UnsupportedHereError, match="DEVICE=auto"):
            choose_device("cuda")


class TestItemError:
    def test_keeps_the_model_errors_code(self) -> None:
        """A job's item shows the code that the model's error carries."""

        class Broken(ValueError):
            code = "broken"
            title = "It broke"

        wrapped = ItemError.of(Broken("into pieces"))

        assert (wrapped.code, wrapped.title, str(wrapped)) == ("broken", "It broke", "into pieces")
