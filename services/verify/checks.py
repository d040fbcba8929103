"""Look every referenced object up, several at a time, and tell which are missing or damaged."""

from __future__ import annotations

import hashlib
import re
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Literal

from services.storage.base import ObjectNotFoundError, ObjectStore
from services.verify.references import Reference

LOOKUPS_AT_ONCE: Final = 16
_DIGEST_IN_KEY: Final = re.compile(r"^[a-z]+/[0-9a-f]{2}/([0-9a-f]{64})")

State = Literal["sound", "missing", "damaged"]


@dataclass(frozen=True)
class Verdict:
    """What became of one reference."""

    reference: Reference
    state: State


def verdicts(found: Iterable[Reference], store: ObjectStore, *, contents: bool) -> Iterator[Verdict]:
    """Yield one verdict per reference, in their order.

    Parameters
    ----------
    contents
        Also read every object and compare it with the SHA-256 that its key names.

    Raises
    ------
    StoreUnavailableError
        The store went away; what it holds is not known.
    """
    state_of = _state_of_contents if contents else _state_of_presence
    waiting: deque[tuple[Reference, Future[State]]] = deque()
    with ThreadPoolExecutor(LOOKUPS_AT_ONCE, thread_name_prefix="verify") as pool:
        try:
            for reference in found:
                waiting.append((reference, pool.submit(state_of, store, reference.key)))
                if len(waiting) == 2 * LOOKUPS_AT_ONCE:
                    yield _first_of(waiting)
            while waiting:
                yield _first_of(waiting)
        finally:
            for _, lookup in waiting:
                lookup.cancel()


def _first_of(waiting: deque[tuple[Reference, Future[State]]]) -> Verdict:
    reference, lookup = waiting.popleft()
    return Verdict(reference, lookup.result())


def _state_of_presence(store: ObjectStore, key: str) -> State:
    return "sound" if store.exists(key) else "missing"


def _state_of_contents(store: ObjectStore, key: str) -> State:
    named = _DIGEST_IN_KEY.match(key)
    if named is None:
        return _state_of_presence(store, key)
    digest = hashlib.sha256()
    try:
        for piece in store.stream(key):
            digest.update(piece)
    except ObjectNotFoundError:
        return "missing"
    return "sound" if digest.hexdigest() == named.group(1) else "damaged"
