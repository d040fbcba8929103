from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from client.embeddings import read_embeddings
from client.errors import InvalidArgumentError, LocalFileError


class TestReadEmbeddings:
    @pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int32"])
    def test_reads_rows(self, tmp_path: Path, dtype: str) -> None:
        """Of any kind of number, exactly."""
        rows = np.array([[1, 2.5], [3, -4]]).astype(dtype)
        np.save(tmp_path / "e.npy", rows)

        assert rows.tolist() == list(read_embeddings(tmp_path / "e.npy"))

    @pytest.mark.parametrize(
        "content",
        [np.zeros(3), np.zeros((1, 2, 3)), np.array([["a"]]), np.array([[True]]), np.array([[1j]])],
    )
    def test_other_arrays(self, tmp_path: Path, content: Any) -> None:
        """Are no table of numbers."""
        np.save(tmp_path / "e.npy", content)

        with pytest.raises(LocalFileError, match="no table of numbers"):
            read_embeddings(tmp_path / "e.npy")

    def test_python_objects_are_never_loaded(self, tmp_path: Path) -> None:
        """They could run code."""
        np.save(tmp_path / "e.npy", np.array([[{}]], dtype=object), allow_pickle=True)  # what others do

        with pytest.raises(LocalFileError, match="cannot be read"):
            read_embeddings(tmp_path / "e.npy")

    @pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"crop_id,x\n", None])
    def test_other_files(self, tmp_path: Path, content: bytes | None) -> None:
        """Empty, cut short, of another kind, or not there."""
        if content is not None:
            (tmp_path / "e.npy").write_bytes(content)

        with pytest.raises(LocalFileError, match="cannot be read"):
            read_embeddings(tmp_path / "e.npy")

    def test_other_ending(self, tmp_path: Path) -> None:
        """The message says which one is read."""
        with pytest.raises(InvalidArgumentError, match=r"\.npy"):
            read_embeddings(tmp_path / "e.csv")

    def test_without_numpy(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The client works without it, save for this."""
        real = builtins.__import__

        def without(name: str, *rest: Any, **options: Any) -> Any:
            if name == "numpy":
                raise ImportError(name)
            return real(name, *rest, **options)

        monkeypatch.setattr(builtins, "__import__", without)

        with pytest.raises(InvalidArgumentError, match="install it"):
            read_embeddings(tmp_path / "e.npy")
