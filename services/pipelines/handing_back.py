"""What a long computation does when its job is handed back in the middle of it: it keeps its state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from services.jobs.errors import JobHandedBackError


@contextmanager
def kept_when_handed_back(position: Callable[[], object], save: Callable[[], None]) -> Iterator[None]:
    """Save when `JobContext.check` hands the job back inside the block, if the block got any further.

    A turn that got no further has to count as lost, or a job that needs longer to make itself ready
    than its turns are would never move: see `services.jobs.turns`.

    Parameters
    ----------
    position
        How far the computation is: compared with what it was at the block's beginning.
    save
        Stores a checkpoint and tells the context so.
    """
    began = position()
    try:
        yield
    except JobHandedBackError:
        if position() != began:
            save()
        raise
