"""Results of steps: kept under their keys, sealed where need be, and never whole if they are damaged."""

from __future__ import annotations

import numpy as np
import pytest

from services.storage.base import ObjectStore
from services.storage.factory import open_store
from services.storage.keys import content_key
from services.studies.cache import StepResult, StepStore

KEY = "ab" * 32
OTHER = "cd" * 32
RESULT = StepResult(
    {"weights": np.arange(6, dtype=np.float32).reshape(2, 3), "none": np.zeros((0, 3, 4, 4), np.uint8)},
    {"seconds": 1.5, "synthetic": {"bbdm": 3}, "history": [[1, 0.5]], "level": None},
)
SEALED = StepResult({"test": np.ones((4, 2), np.float32)})


@pytest.fixture
def objects() -> ObjectStore:
    """An empty object store."""
    return open_store("memory:///")


@pytest.fixture
def steps(objects: ObjectStore) -> StepStore:
    """An empty store of steps."""
    return StepStore(objects)


class TestStepResult:
    def test_comes_back_as_it_was(self) -> None:
        """Numbers with their types and shapes, facts as plain JSON."""
        found = StepResult.from_bytes(RESULT.to_bytes())

        assert RESULT.facts == found.facts
        assert set(RESULT.arrays) == set(found.arrays)
        for name, array in RESULT.arrays.items():
            assert (array.dtype, array.tolist()) == (found.arrays[name].dtype, found.arrays[name].tolist())

    def test_the_order_of_pixels_in_memory_does_not_matter(self) -> None:
        """A transposed array is written as it reads."""
        turned = np.arange(6, dtype=np.int64).reshape(2, 3).T
        found = StepResult.from_bytes(StepResult({"turned": turned}).to_bytes())

        assert turned.tolist() == found.arrays["turned"].tolist()

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"no safetensors at all",
            RESULT.to_bytes()[:-1],
            RESULT.to_bytes()[:40],
            b"\x02\x00\x00\x00\x00\x00\x00\x00{}",
            b"\x02\x00\x00\x00\x00\x00\x00\x00[]",
            b"\x02\x00\x00\x00\x00\x00\x00\x00\xff\xff",
        ],
        ids=["nothing", "text", "cut at the end", "cut in the facts", "no facts", "a list", "no text"],
    )
    def test_anything_else_is_refused(self, content: bytes) -> None:
        """Cut, empty, or without facts."""
        with pytest.raises(ValueError, match="no step of a study"):
            StepResult.from_bytes(content)


class TestStepStore:
    def test_keeps_a_result_under_its_key(self, steps: StepStore) -> None:
        """And under no other."""
        steps.put(KEY, RESULT)
        found = steps.get(KEY)

        assert found is not None
        assert RESULT.facts == found.facts
        assert (True, False, None) == (steps.has(KEY), steps.has(OTHER), steps.get(OTHER))

    def test_what_is_sealed_lies_apart(self, steps: StepStore) -> None:
        """Whoever reads the result does not even have it in his hands."""
        steps.put(KEY, RESULT, SEALED)
        seen, sealed = steps.get(KEY), steps.open_sealed(KEY)

        assert seen is not None
        assert sealed is not None
        assert "test" not in seen.arrays
        assert ["test"] == list(sealed.arrays)

    def test_nothing_is_sealed_of_most_steps(self, steps: StepStore) -> None:
        """Generators and filters never see the test split."""
        steps.put(KEY, RESULT)

        assert steps.open_sealed(KEY) is None

    def test_a_result_ends_what_was_partial(self, steps: StepStore) -> None:
        """A checkpoint is kept until its step is done."""
        steps.put_partial(KEY, StepResult({}, {"seconds": 3.0}))
        before, unfinished = steps.partial(KEY), steps.has(KEY)
        steps.put(KEY, RESULT)

        assert before is not None
        assert (3.0, False) == (before.facts["seconds"], unfinished)
        assert steps.partial(KEY) is None

    def test_damaged_bytes_are_no_result(self, steps: StepStore, objects: ObjectStore) -> None:
        """Whatever part they are of: the step is computed again, or taken up from its start."""
        steps.put(KEY, RESULT, SEALED)
        for extension in (".safetensors", ".sealed", ".partial"):
            objects.put(content_key("studies", KEY, extension), RESULT.to_bytes()[:-3])

        assert [None] * 3 == [steps.get(KEY), steps.open_sealed(KEY), steps.partial(KEY)]


class TestIntact:
    def test_needs_every_part(self, steps: StepStore) -> None:
        """A network whose test scores are lost has to be trained again."""
        steps.put(KEY, RESULT)
        steps.put(OTHER, RESULT, SEALED)

        assert (True, False) == (steps.intact(KEY, sealed=False), steps.intact(KEY, sealed=True))
        assert steps.intact(OTHER, sealed=True)

    @pytest.mark.parametrize("extension", [".safetensors", ".sealed"])
    def test_is_not_what_is_damaged(self, steps: StepStore, objects: ObjectStore, extension: str) -> None:
        """Although it is there."""
        steps.put(KEY, RESULT, SEALED)
        objects.put(content_key("studies", KEY, extension), b"half")

        assert (True, False) == (steps.has(KEY), steps.intact(KEY, sealed=True))
