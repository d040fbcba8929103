from __future__ import annotations

import signal

from workers.lifecycle import StopWish


class TestStopWish:
    def test_is_for_one_job(self) -> None:
        """A process that was told to stop, and was not ended, serves the next job as usual."""
        wish = StopWish()
        before = wish()
        wish.tell(signal.SIGTERM, None)
        told = wish()
        wish.forget()

        assert (False, True, False) == (before, told, wish())

    def test_stays_with_an_orphan(self) -> None:
        """A process whose parent has died hands every job back."""
        wish = StopWish()
        wish._parent = -1
        wish.forget()

        assert wish()
