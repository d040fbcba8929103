from __future__ import annotations

from pathlib import Path

import pytest

from client.errors import LocalFileError
from client.verdicts import read_verdicts


def table(folder: Path, text: str) -> Path:
    """A CSV on disk."""
    file = folder / "verdicts.csv"
    file.write_text(text, encoding="utf-8")
    return file


class TestReadVerdicts:
    def test_passes_over_rows_without_a_class(self, tmp_path: Path) -> None:
        """An exported table is filled in bit by bit; other columns do not matter."""
        file = table(
            tmp_path, "file,crop_id,class\na.png,crop_1, normal\nb.png,crop_2,\nc.png,crop_3,excluded\n"
        )

        assert read_verdicts(file) == [("crop_1", "normal"), ("crop_3", "excluded")]

    def test_reads_what_a_spreadsheet_writes(self, tmp_path: Path) -> None:
        """A byte order mark and Windows line ends."""
        file = table(tmp_path, "\ufeffcrop_id,class\r\ncrop_1,aberration\r\n")

        assert read_verdicts(file) == [("crop_1", "aberration")]

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("crop_id\ncrop_1\n", "column class is missing"),
            ("", "column class and crop_id is missing"),
            ("crop_id,class\ncrop_1,odd\n", "line 2: 'odd' is no class"),
            ("crop_id,class\ncrop_1,normal\ncrop_1,excluded\n", "line 3: crop crop_1 stands here twice"),
            ("crop_id,class\n,normal\n", "line 2: the crop's id is missing"),
        ],
    )
    def test_says_what_is_wrong(self, tmp_path: Path, text: str, reason: str) -> None:
        """With the line, so that it can be mended."""
        with pytest.raises(LocalFileError, match=reason):
            read_verdicts(table(tmp_path, text))

    def test_says_that_it_cannot_be_read(self, tmp_path: Path) -> None:
        """No such file, or bytes that are no text."""
        (tmp_path / "binary.csv").write_bytes(b"crop_id,class\n\xff\xfe,normal\n")

        with pytest.raises(LocalFileError, match="No such file"):
            read_verdicts(tmp_path / "none.csv")
        with pytest.raises(LocalFileError, match="no CSV"):
            read_verdicts(tmp_path / "binary.csv")
