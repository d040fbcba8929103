from __future__ import annotations

from pathlib import Path

from client.demo.samples import read_notes

SAMPLES = Path(__file__).parents[4] / "samples"


class TestReadNotes:
    def test_knows_the_bundled_metaphases(self) -> None:
        """Slide and karyotype of each, as the README's table has them."""
        notes = read_notes(SAMPLES)

        assert {name: note.slide for name, note in notes.items()} == {
            "A230150": "A23",
            "V280162": "V28",
            "P0704XY": "P07",
            "V1801XY": "V18",
        }
        assert [name for name, note in notes.items() if note.is_normal] == ["P0704XY", "V1801XY"]
        assert "t(9;14)" in notes["A230150"].karyotype

    def test_knows_nothing_of_other_images(self, tmp_path: Path) -> None:
        """No README, or one without such a table."""
        assert read_notes(tmp_path) == {}
        (tmp_path / "README.md").write_text("# Mine\n\n| a | b |\n|---|---|\n| 1 | 2 |\n")
        assert read_notes(tmp_path) == {}
