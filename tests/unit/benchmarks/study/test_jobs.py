"""Jobs that are found again."""

from __future__ import annotations

from benchmarks.study.jobs import reference_of


class TestReferenceOf:
    def test_follows_from_kind_and_parameters(self) -> None:
        """The order of parameters does not matter, every value does."""
        reference = reference_of("study", {"name": "a", "steps": 4})

        assert reference == reference_of("study", {"steps": 4, "name": "a"})
        assert reference != reference_of("study", {"name": "a", "steps": 5})
        assert reference != reference_of("simulation", {"name": "a", "steps": 4})
        assert reference.startswith("benchmark-study-a-")
