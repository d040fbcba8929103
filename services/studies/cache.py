"""Results of a study's steps, kept under their keys: what any study computed, no other computes again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from services.storage.base import ObjectNotFoundError, ObjectStore
from services.storage.keys import content_key

_FACTS: Final = "facts"
_RESULT: Final = ".safetensors"
_PARTIAL: Final = ".partial"
_SEALED: Final = ".sealed"


@dataclass(frozen=True)
class StepResult:
    """What a step came to.

    Attributes
    ----------
    arrays
        Numbers by name.
    facts
        Plain JSON; ``seconds`` says how long it took, over all attempts.
    """

    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """Return safetensors with the facts in their header."""
        arrays = {name: np.ascontiguousarray(array) for name, array in self.arrays.items()}
        return safetensors.numpy.save(arrays, metadata={_FACTS: json.dumps(dict(self.facts), sort_keys=True)})

    @classmethod
    def from_bytes(cls, content: bytes) -> StepResult:
        """Read what `to_bytes` wrote; raises `ValueError` for anything else."""
        try:
            size = int.from_bytes(content[:8], "little")
            header = json.loads(content[8 : 8 + size])
            facts = json.loads(header["__metadata__"][_FACTS])
            return cls(safetensors.numpy.load(content), facts)
        except (KeyError, TypeError, ValueError, safetensors.SafetensorError) as error:
            raise ValueError("This is no step of a study.") from error


class StepStore:
    """Step results in the object store.

    A result has two parts: the open one, and the sealed one with what the test split gave. No step reads a
    sealed part; only `open_sealed` does, and that is called when every network of a study is done.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def has(self, key: str) -> bool:
        """Whether the step was computed."""
        return self._store.exists(_key(key, _RESULT))

    def intact(self, key: str, *, sealed: bool) -> bool:
        """Whether a step's result can be read, with its sealed part where it has one; gives nothing away."""
        parts = (_RESULT, _SEALED) if sealed else (_RESULT,)
        return all(self._read(_key(key, part)) is not None for part in parts)

    def get(self, key: str) -> StepResult | None:
        """Return the open part of a step's result; None if there is none, or it is damaged."""
        return self._read(_key(key, _RESULT))

    def put(self, key: str, result: StepResult, sealed: StepResult | None = None) -> None:
        """Keep a result, the sealed part first: the open one says that both are there."""
        if sealed is not None:
            self._store.put(_key(key, _SEALED), sealed.to_bytes())
        self._store.put(_key(key, _RESULT), result.to_bytes())
        self._store.delete(_key(key, _PARTIAL))

    def open_sealed(self, key: str) -> StepResult | None:
        """Return the sealed part; see `services.pipelines.study.unsealing`, its only caller."""
        return self._read(_key(key, _SEALED))

    def partial(self, key: str) -> StepResult | None:
        """Return what an attempt that was cut had kept."""
        return self._read(_key(key, _PARTIAL))

    def put_partial(self, key: str, result: StepResult) -> None:
        """Keep something that a later attempt can go on from."""
        self._store.put(_key(key, _PARTIAL), result.to_bytes())

    def _read(self, key: str) -> StepResult | None:
        with suppress(ObjectNotFoundError, ValueError):
            return StepResult.from_bytes(self._store.get(key))
        return None


def _key(key: str, extension: str) -> str:
    return content_key("studies", key, extension)
