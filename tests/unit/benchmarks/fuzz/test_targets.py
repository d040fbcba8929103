from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from benchmarks.fuzz.mutating import mutate
from benchmarks.fuzz.target import ACCEPTED
from benchmarks.fuzz.targets import TARGETS

CHANGED_PER_FORMAT = 40


class TestTargets:
    @pytest.mark.parametrize("name", TARGETS)
    def test_sound_inputs_are_accepted(self, name: str) -> None:
        """What is changed afterwards is read as it is."""
        target = TARGETS[name]

        assert ACCEPTED in target.run(target.seeds()[0])

    @pytest.mark.filterwarnings("ignore")  # decoders warn of what they go on with
    @pytest.mark.parametrize("name", TARGETS)
    def test_changed_inputs_are_refused_by_name(
        self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whatever is changed, a parser answers with a code, and leaves no file behind."""
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        target, corpus = TARGETS[name], TARGETS[name].seeds()

        codes = {
            code
            for number in range(CHANGED_PER_FORMAT)
            for code in target.run(
                mutate(corpus[number % len(corpus)], corpus, Random(f"test {name} {number}"))
            )
        }

        assert codes - {ACCEPTED}
        assert [] == list(tmp_path.iterdir())
