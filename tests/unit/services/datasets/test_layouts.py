from __future__ import annotations

import pytest

from services.datasets.errors import Findings
from services.datasets.layouts import FileLabel, is_manifest, labels_by_folder, labels_of_manifest
from services.datasets.patterns import parse_group_pattern


def by_folder(*names: str, pattern: str | None = None) -> tuple[dict[str, FileLabel], list[str]]:
    findings = Findings()
    parsed = None if pattern is None else parse_group_pattern(pattern)
    labels = labels_by_folder(names, parsed, findings)
    return labels, [found.where for found in findings]


def by_manifest(text: str | bytes, *names: str) -> tuple[dict[str, FileLabel], list[str]]:
    findings = Findings()
    content = text if isinstance(text, bytes) else text.encode()
    labels = labels_of_manifest("top/manifest.csv", content, names, findings)
    return labels, [f"{found.where} {found.message}" for found in findings]


class TestFolders:
    @pytest.mark.parametrize(
        ("name", "label"),
        [
            ("train/normal/A06/1.png", FileLabel("normal", "train", "A06", "")),
            ("Train/Normal/A06/1.png", FileLabel("normal", "train", "A06", "")),
            ("val/aberration/1.png", FileLabel("aberration", "val", "", "")),
            ("test/unlabelled/A06/cell 3/1.png", FileLabel("unlabelled", "test", "A06", "")),
            ("normal/A06/1.png", FileLabel("normal", "", "A06", "")),
            ("my set/train/normal/A06/1.png", FileLabel("normal", "train", "A06", "")),
        ],
    )
    def test_say_split_class_and_group(self, name: str, label: FileLabel) -> None:
        """Split, class and slide are read off the path; a folder around everything is passed over."""
        assert ({name: label}, []) == by_folder(name)

    @pytest.mark.parametrize(
        "name", ["1.png", "train/1.png", "train/odd/1.png", "a/b/normal/1.png", "normal"]
    )
    def test_that_say_too_little(self, name: str) -> None:
        """A picture without a class is told."""
        assert ({}, [name]) == by_folder(name)

    def test_pattern_wins(self) -> None:
        """A pattern is asked for every name, and one that does not match is told."""
        good, bad = "train/normal/x/A02_1.png", "train/normal/x/A02.png"
        labels, wrong = by_folder(good, bad, pattern="{group}_*")

        assert ({good: FileLabel("normal", "train", "A02", "")}, [bad]) == (labels, wrong)

    def test_long_group(self) -> None:
        """A folder's name that cannot be kept is told."""
        name = f"train/normal/{'x' * 201}/1.png"

        assert {} == by_folder(name)[0]


class TestManifest:
    def test_labels(self) -> None:
        """Files are named relative to the manifest; split and chromosome may be absent."""
        labels, wrong = by_manifest(
            "file,class,group\na.png,normal,A06\n./b.png,unlabelled,\n", "top/a.png", "top/b.png"
        )

        assert [] == wrong
        assert FileLabel("normal", "", "A06", "") == labels["top/a.png"]
        assert FileLabel("unlabelled", "", "", "") == labels["top/b.png"]

    def test_as_spreadsheets_write_it(self) -> None:
        """A byte order mark, semicolons and quotes are read."""
        text = b'\xef\xbb\xbffile;class;split;group;chromosome\r\n"a.png";normal;train;"A;06";c1\r\n'

        assert {"top/a.png": FileLabel("normal", "train", "A;06", "c1")} == by_manifest(text, "top/a.png")[0]

    @pytest.mark.parametrize(
        ("rows", "message"),
        [
            ("b.png,normal,train,A", "not in the archive"),
            ("a.png,odd,train,A", "class 'odd'"),
            ("a.png,normal,dev,A", "split 'dev'"),
            ("a.png,normal,train,A\na.png,normal,train,A", "a second time"),
            ("a.png,normal,train,A,c,x", "more values than columns"),
            ("a.png,normal,train," + "x" * 201, "group with unprintable"),
            ("", "has no row"),
        ],
    )
    def test_wrong_rows(self, rows: str, message: str) -> None:
        """A row that is wrong is told with its line, a picture without a row with its name."""
        _, wrong = by_manifest(f"file,class,split,group\n{rows}\n", "top/a.png")

        assert 1 <= len(wrong) <= 2
        assert message in wrong[0]

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "columns none"),
            (b"file,class\n", "columns file, class"),
            (b"file,class,spilt,group\n", "spilt"),
            (b"file,class,group,group\n", "each once"),
            (b"\xff\xfe\x00", "not UTF-8"),
            (b'file,class,group\n"' + b"x" * 200_000, "no CSV"),
            (b"file,class,group," + b"a," * 1000 + b"\n", "no short first line"),
        ],
    )
    def test_wrong_tables(self, content: bytes, message: str) -> None:
        """A table that cannot be read is told once."""
        assert message in by_manifest(content)[1][0]

    def test_endless_tables(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Rows are read up to as many as a data set may have."""
        monkeypatch.setattr("services.datasets.layouts.MAX_ITEMS", 3)
        rows = [f"{number}.png,normal,A" for number in range(5)]
        names = [f"top/{number}.png" for number in range(3)]

        labels, wrong = by_manifest("\n".join(["file,class,group", *rows]), *names)

        assert set(names) == set(labels)
        assert ["manifest.csv has more than 3 rows. Split the archive."] == wrong

    @pytest.mark.parametrize(
        ("name", "expected"),
        [("manifest.csv", True), ("set/manifest.csv", True), ("a/b/manifest.csv", False), ("m.csv", False)],
    )
    def test_where_it_may_lie(self, name: str, expected: bool) -> None:  # noqa: FBT001 - a table of cases
        """At the top, or in the one folder around everything."""
        assert expected == is_manifest(name)
