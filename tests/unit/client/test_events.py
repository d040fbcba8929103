from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client import events
from client.events import EventTooLongError, ServerEvent, parse_events

STREAM = (
    ': ping\r\n\r\nevent: progress\r\nid: 1\r\ndata: {"a": "\u2028"}\r\n\r\ndata: one\ndata: two\n\n'
    "event: end\rdata: z\r\r"
).encode()
EVENTS = [
    ServerEvent("progress", '{"a": "\u2028"}'),
    ServerEvent("message", "one\ntwo"),
    ServerEvent("end", "z"),
]


class TestParseEvents:
    def test_reads_events_with_every_kind_of_line_end(self) -> None:
        """CR, LF and CRLF end lines; comments are no events; data lines are joined."""
        assert list(parse_events([STREAM])) == EVENTS

    @given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=12))
    def test_does_not_depend_on_how_the_network_cuts_the_stream(self, cuts: list[int]) -> None:
        """Any chunks give the same events, even if a CRLF or a character is torn apart."""
        edges = [0, *sorted(cuts), len(STREAM)]
        chunks = [STREAM[a:b] for a, b in pairwise(edges)]

        assert list(parse_events(chunks)) == EVENTS

    def test_drops_an_unfinished_event(self) -> None:
        """An event without its empty line was cut off and does not count."""
        assert list(parse_events([b"data: half"])) == []

    def test_keeps_memory_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A line that never ends is refused."""
        monkeypatch.setattr(events, "MAX_LINE_BYTES", 100)

        with pytest.raises(EventTooLongError, match="100 bytes"):
            list(parse_events([b"data: " + b"x" * 60] * 3))
