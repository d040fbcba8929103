from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.filtering import files
from models.filtering.errors import FilterFileError
from models.filtering.files import from_bytes, to_bytes
from models.filtering.filter import Filter
from models.filtering.rules.face import METHODS, Method
from tests.support.filter_files import closed, opened

ROOT = Path(__file__).parents[4]

Filters = Callable[..., Filter]


class TestRoundTrip:
    @pytest.mark.parametrize("method", METHODS)
    def test_scores_with_the_same_bits(
        self, make_filter: Filters, rows: NDArray[np.float32], method: Method
    ) -> None:
        """A filter that was stored and read decides as before, and its bytes are the same again."""
        one = make_filter(method, 0.6, 99.0)
        content = to_bytes(one)

        again = from_bytes(content)

        assert one.spec == again.spec
        assert one.manifold.spec == again.manifold.spec
        assert one.labels.tolist() == again.labels.tolist()
        for name, value in vars(one.score(rows)).items():
            assert value.tobytes() == getattr(again.score(rows), name).tobytes()
        assert content == to_bytes(one) == to_bytes(again)


class TestDamage:
    @pytest.mark.parametrize("content", [b"", b"GIF89a", b"\x00" * 100, b"\xff" * 100])
    def test_other_bytes_are_no_filter(self, content: bytes) -> None:
        """Short or strange, they are refused."""
        with pytest.raises(FilterFileError, match="not safetensors"):
            from_bytes(content)

    def test_a_part_is_no_filter(self, make_filter: Filters) -> None:
        """A file that was cut off."""
        content = to_bytes(make_filter())

        with pytest.raises(FilterFileError, match="cut off"):
            from_bytes(content[: len(content) // 2])

    def test_sizes_are_not_believed(self) -> None:
        """A header that promises terabytes reserves none."""
        header = json.dumps(
            {"told": {"dtype": "F64", "shape": [1 << 40], "data_offsets": [0, 1 << 43]}}
        ).encode()

        with pytest.raises(FilterFileError, match="not safetensors"):
            from_bytes(len(header).to_bytes(8, "little") + header)

    def test_files_beyond_the_limit_are_not_read(
        self, make_filter: Filters, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The limit lies far above what a fit makes."""
        monkeypatch.setattr(files, "MAX_BYTES", 1000)

        with pytest.raises(FilterFileError, match="at most 1,000 bytes"):
            from_bytes(to_bytes(make_filter()))

    @settings(max_examples=60, deadline=None)
    @given(data=st.data())
    def test_any_changed_byte_is_found(self, make_filter: Filters, data: st.DataObject) -> None:
        """Wherever it lies, in the header, the description or an array."""
        content = bytearray(to_bytes(make_filter("probability")))
        place = data.draw(st.integers(0, len(content) - 1))
        assume(content[place] != ord(" "))  # the header is filled up with blanks, which say nothing
        content[place] ^= data.draw(st.integers(1, 255))

        with pytest.raises(FilterFileError):
            from_bytes(bytes(content))

    @pytest.mark.parametrize("name", ["manifold.embeddings", "own_distances", "labels", "rule.means"])
    def test_changed_numbers_are_found_in_a_well_formed_file(self, make_filter: Filters, name: str) -> None:
        """The digest names every array."""
        arrays, told = opened(to_bytes(make_filter()))
        arrays[name] = arrays[name][::-1].copy()

        with pytest.raises(FilterFileError, match="changed after"):
            from_bytes(closed(arrays, told, signed=False))

    def test_a_changed_level_is_found(self, make_filter: Filters) -> None:
        """The description is under the digest too."""
        arrays, told = opened(to_bytes(make_filter()))
        told["spec"]["level"] = 0.99

        with pytest.raises(FilterFileError, match="changed after"):
            from_bytes(closed(arrays, told, signed=False))


class TestContents:
    @pytest.mark.parametrize("version", [0, 2, "1", None])
    def test_other_formats_are_named(self, make_filter: Filters, version: object) -> None:
        """The message says which version reads what."""
        arrays, told = opened(to_bytes(make_filter()))

        with pytest.raises(FilterFileError, match="has format"):
            from_bytes(closed(arrays, told | {"format": version}))

    @pytest.mark.parametrize("document", [b"", b"{", b"[]", b"{}", b"[" * 100_000, b'{"format": 1}', b"\xff"])
    def test_other_descriptions_are_refused(self, make_filter: Filters, document: bytes) -> None:
        """No JSON, another JSON, or too little of it."""
        arrays, _ = opened(to_bytes(make_filter()))

        with pytest.raises(FilterFileError, match="is no filter"):
            from_bytes(safetensors.numpy.save(arrays | {"told": np.frombuffer(document, np.uint8)}))

    def test_weights_of_a_network_are_no_filter(self) -> None:
        """Safetensors alone do not make one."""
        with pytest.raises(FilterFileError, match="does not say"):
            from_bytes(safetensors.numpy.save({"fc.weight": np.zeros((2, 2), np.float32)}))

    @pytest.mark.parametrize("name", ["labels", "rule.weights", "probe.rows", "manifold.coordinates"])
    def test_missing_arrays_are_named(self, make_filter: Filters, name: str) -> None:
        """By their names."""
        arrays, told = opened(to_bytes(make_filter()))
        del arrays[name]

        with pytest.raises(FilterFileError, match=name):
            from_bytes(closed(arrays, told))

    def test_additional_arrays_are_named(self, make_filter: Filters) -> None:
        """What nobody reads is not carried along."""
        arrays, told = opened(to_bytes(make_filter()))

        with pytest.raises(FilterFileError, match=r"rule\.further"):
            from_bytes(closed(arrays | {"rule.further": np.zeros(1)}, told))

    @pytest.mark.parametrize(
        ("name", "change", "message"),
        [
            ("manifold.embeddings", lambda array: array.astype(np.float64), "float64, not float32"),
            ("labels", lambda array: array.astype(np.int64), "int64, not uint8"),
            ("labels", lambda array: array + np.uint8(1), "label of 0 or 1"),
            ("labels", lambda array: array[:-1], "label of 0 or 1"),
            ("labels", lambda array: array[:, None], "label of 0 or 1"),
            ("own_distances", lambda array: array[:-1], "distances"),
            ("own_distances", lambda array: array[::-1].copy(), "ascending"),
            ("own_distances", lambda array: np.where(array > 0, np.nan, 0), "not finite"),
            ("manifold.embeddings", lambda array: array * np.float32(np.nan), "not finite"),
            ("manifold.embeddings", lambda array: array[:, :3].copy(), "do not fit together"),
            ("manifold.embeddings", lambda array: array[:3].copy(), "do not fit together"),
            ("manifold.coordinates", lambda array: array[:3].copy(), "do not fit together"),
            ("manifold.coordinates", lambda array: array[:, :1].copy(), "do not fit together"),
            ("rule.means", lambda array: array[:1].copy(), "means"),
            ("rule.covariances", lambda array: -array, "positive definite"),
            ("probe.rows", lambda array: array[:0].copy(), "1 to 32 rows"),
            ("probe.rows", lambda array: array.repeat(2, axis=0), "1 to 32 rows"),
            ("probe.needed_level", lambda array: array[:5].copy(), "does not belong"),
        ],
    )
    def test_arrays_that_do_not_fit_are_refused(
        self,
        make_filter: Filters,
        name: str,
        change: Callable[[NDArray[Any]], NDArray[Any]],
        message: str,
    ) -> None:
        """Other types and shapes, NaN, and sizes that belong to another filter; under a right digest too."""
        arrays, told = opened(to_bytes(make_filter()))
        arrays[name] = change(arrays[name])

        with pytest.raises(FilterFileError, match=message):
            from_bytes(closed(arrays, told))

    @pytest.mark.parametrize(
        ("part", "change"),
        [
            ("spec", {"level": "high"}),
            ("spec", {"level": 7}),
            ("spec", {"method": "knn"}),
            ("spec", {"further": 1}),
            ("manifold", {"n_neighbors": 0}),
            ("manifold", {"n_neighbors": "many"}),
            ("manifold", {"n_neighbors": 10**12}),
            ("manifold", {"n_epochs": 10**12}),
            ("manifold", {"negative_sample_rate": 10**12}),
            ("manifold", {"a": None}),
            ("manifold", {"rng_state": [1]}),
        ],
    )
    def test_odd_parameters_are_refused(
        self, make_filter: Filters, part: str, change: dict[str, Any]
    ) -> None:
        """Neither a text for a number nor work without end."""
        arrays, told = opened(to_bytes(make_filter()))
        told[part] |= change

        with pytest.raises(FilterFileError):
            from_bytes(closed(arrays, told))

    def test_a_rule_of_one_number_has_one(self, make_filter: Filters) -> None:
        """A temperature per class is not ours, nor are two numbers of neighbours."""
        for method, name in (("probability", "rule.temperature"), ("knn", "rule.num_neighbours")):
            arrays, told = opened(to_bytes(make_filter(method)))
            arrays[name] = np.repeat(arrays[name], 2)

            with pytest.raises(FilterFileError, match="has one"):
                from_bytes(closed(arrays, told))


class TestImports:
    def test_a_filter_is_read_and_applied_without_heavy_libraries(
        self, make_filter: Filters, tmp_path: Path
    ) -> None:
        """Neither torch nor what a fit needs: the API process has none of them."""
        (tmp_path / "filter").write_bytes(to_bytes(make_filter("mahalanobis")))
        script = (
            "import sys, numpy, pathlib\n"
            "from models.filtering.files import from_bytes\n"
            "import models.filtering.difference\n"
            f"made = from_bytes(pathlib.Path({str(tmp_path / 'filter')!r}).read_bytes())\n"
            "made.score(numpy.zeros((1, 6), numpy.float32))\n"
            "print(sorted({'torch', 'sklearn', 'umap', 'pynndescent', 'matplotlib'} & set(sys.modules)))\n"
        )

        finished = subprocess.run(
            [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
        )

        assert "[]" == finished.stdout.strip(), finished.stderr
