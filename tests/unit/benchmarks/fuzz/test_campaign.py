from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.fuzz import campaign
from benchmarks.fuzz.target import Target

MODULE = "tests.fakes.faulty_targets"


@pytest.fixture
def told_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try one input of every fault instead of changed ones, and a sound one after each."""
    inputs = [one for fault in (b"raise", b"grow", b"leave", b"end") for one in (fault, b"sound")]
    monkeypatch.setattr(campaign, "inputs", lambda *_: inputs)


def refused(_: bytes) -> Sequence[str]:
    raise AssertionError("The target belongs to another process.")


class TestRun:
    @pytest.mark.usefixtures("told_inputs")
    def test_finds_every_kind_of_fault(self, tmp_path: Path) -> None:
        """What escapes, grows, leaves files or ends its process is kept, and the others go on."""
        target = Target(lambda: (b"sound",), refused)

        report = campaign.run(MODULE, "faulty", target, seed=1, count=0, keep_in=tmp_path)

        broken = {(tmp_path / name).read_bytes(): rule for name, rule in report.broken.items()}
        assert {b"raise", b"grow", b"leave", b"end"} == set(broken)
        assert broken[b"raise"].startswith("KeyError")
        assert broken[b"grow"].startswith("memory")
        assert "left.tmp" in broken[b"leave"]
        assert "crash" == broken[b"end"]
        assert 8 == report.inputs


class TestInputs:
    def test_begin_with_the_sound_ones(self) -> None:
        """Seeds come as they are, then as many changed ones as asked for, the same every time."""
        target = Target(lambda: (b"one", b"two"), refused)

        first = list(campaign.inputs("text", target, 5, 20))

        assert [b"one", b"two"] == first[:2]
        assert 22 == len(first)
        assert first == list(campaign.inputs("text", target, 5, 20))
