from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.manifold.errors import ManifoldError
from models.manifold.manifold import Manifold, ManifoldSpec, Projection

ROOT = Path(__file__).parents[4]
Rows = NDArray[np.float32]
# Half of the rows first, then the others backwards, in blocks of seven.
ELSEWHERE = """
import json, sys
import numpy as np
from models.manifold.manifold import Manifold, ManifoldSpec
arrays = np.load(sys.argv[1])
spec = ManifoldSpec.from_json(json.loads(sys.argv[2]))
manifold = Manifold(spec, arrays["embeddings"], arrays["coordinates"])
rows = arrays["rows"][::-1]
found = [manifold.project(rows[i : i + 7]) for i in range(0, len(rows), 7)]
np.savez(
    sys.argv[3],
    **{
        name: np.concatenate([getattr(part, name) for part in found])[::-1]
        for name in ("coordinates", "neighbours", "distances")
    },
)
print(" ".join(name for name in ("umap", "sklearn", "torch", "pynndescent") if name in sys.modules))
"""


class Stopped(Exception):
    """What a check raises."""


def assert_same_bits(expected: Projection, found: Projection, rows: Any = slice(None)) -> None:
    """Compare everything without tolerance; `rows` are those of the first that were asked for."""
    assert (expected.coordinates[rows] == found.coordinates).all()
    assert (expected.neighbours[rows] == found.neighbours).all()
    assert (expected.distances[rows] == found.distances).all()


def transformed(reducer: Any, rows: Rows) -> NDArray[np.float32]:
    """What umap-learn says of each row in a call of its own."""
    return np.concatenate([reducer.transform(rows[i : i + 1]) for i in range(len(rows))])


def exact_distance(x: Rows, y: Rows) -> float:
    """Euclidean distance in 64 bits; umap-learn's own is one of 32."""
    return float(np.sqrt(np.square(x.astype(np.float64) - y.astype(np.float64)).sum()))


@pytest.fixture(scope="module")
def projection(manifold: Manifold, rows: Rows) -> Projection:
    return manifold.project(rows)


@pytest.fixture(scope="module")
def spec() -> ManifoldSpec:
    return ManifoldSpec(3, 0.1, 1.577, 0.895, 7, (1, -2, 3))


@pytest.fixture(scope="module")
def small(spec: ManifoldSpec) -> Manifold:
    """Ten rows of width four."""
    rng = np.random.default_rng(0)
    return Manifold(
        spec, rng.normal(size=(10, 4)).astype(np.float32), rng.normal(size=(10, 2)).astype(np.float32)
    )


class TestAgainstUmapLearn:
    def test_a_row_lies_where_umap_learn_puts_it_alone(
        self, reducer: Any, rows: Rows, projection: Projection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Given distances as exact as ours; a start that rounds otherwise draws other random numbers."""
        monkeypatch.setattr(reducer, "_input_distance_func", exact_distance)

        apart = np.linalg.norm(transformed(reducer, rows[:60]) - projection.coordinates[:60], axis=1)

        assert np.quantile(apart, 0.97) < 1e-3

    def test_rounding_of_umap_learns_distances_moves_rows_no_farther_than_another_seed(
        self, reducer: Any, rows: Rows, projection: Projection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its 32-bit distances change the last bit of one start in six, and so the random numbers."""
        expected = transformed(reducer, rows)
        apart = np.linalg.norm(expected - projection.coordinates, axis=1)
        spread = []
        for seed in (1, 2, 3):
            monkeypatch.setattr(reducer, "transform_seed", seed)
            spread.append(np.linalg.norm(transformed(reducer, rows[:80]) - expected[:80], axis=1))
        others = apart[apart > 1e-3]

        assert len(others) < 0.25 * len(rows)
        assert np.median(others) < 1.5 * np.median(spread)
        assert others.max() <= np.max(spread)

    def test_a_training_row_lies_where_umap_learn_puts_it_when_it_comes_again(
        self, manifold: Manifold, reducer: Any, embeddings: Rows
    ) -> None:
        """It starts on its own place, and settles from there."""
        found = manifold.project(embeddings[:50])

        assert (found.neighbours[:, 0] == np.arange(50)).all()
        assert (found.distances[:, 0] == 0.0).all()
        assert np.abs(transformed(reducer, embeddings[:50]) - found.coordinates).max() < 1e-3


class TestProject:
    def test_the_projection_holds_what_it_says(
        self, manifold: Manifold, rows: Rows, projection: Projection
    ) -> None:
        """Shapes, kinds of numbers, and nearest first."""
        k = manifold.spec.n_neighbors

        assert (len(rows), 2) == projection.coordinates.shape
        assert (len(rows), k) == projection.neighbours.shape == projection.distances.shape
        assert np.isfinite(projection.coordinates).all()
        assert (np.diff(projection.distances, axis=1) >= 0.0).all()
        kinds = [projection.coordinates.dtype, projection.neighbours.dtype, projection.distances.dtype]
        assert [np.float32, np.int32, np.float64] == kinds

    def test_nearest_is_the_same_without_coordinates(
        self, manifold: Manifold, rows: Rows, projection: Projection
    ) -> None:
        """For those who need no place on the map."""
        neighbours, distances = manifold.nearest(rows)

        assert (projection.neighbours == neighbours).all()
        assert (projection.distances == distances).all()

    @pytest.mark.parametrize("size", [1, 7, 40])
    def test_a_row_has_the_same_bits_in_any_batch(
        self, manifold: Manifold, rows: Rows, projection: Projection, size: int
    ) -> None:
        """Alone, in blocks of seven and of more than the lanes."""
        for first in range(0, len(rows), size):
            part = slice(first, first + size)
            assert_same_bits(projection, manifold.project(rows[part]), part)

    def test_another_order_gives_the_same_bits(
        self, manifold: Manifold, rows: Rows, projection: Projection
    ) -> None:
        """Whichever rows stand beside it, and however often."""
        order = np.random.default_rng(0).integers(0, len(rows), 2 * len(rows))

        assert_same_bits(projection, manifold.project(rows[order]), order)

    @pytest.mark.parametrize("threads", [2, 3])
    def test_threads_give_the_same_bits(
        self, manifold: Manifold, rows: Rows, projection: Projection, threads: int
    ) -> None:
        """They share rows, not sums."""
        assert_same_bits(projection, manifold.project(rows, threads=threads))

    def test_a_map_that_was_stored_gives_the_same_bits(
        self, manifold: Manifold, rows: Rows, projection: Projection
    ) -> None:
        """Its description and its arrays are all there is to it."""
        spec = ManifoldSpec.from_json(json.loads(json.dumps(manifold.spec.to_json())))

        stored = Manifold.from_arrays(spec, {name: a.copy() for name, a in manifold.arrays().items()})

        assert_same_bits(projection, stored.project(rows))

    def test_no_rows_have_no_places(self, manifold: Manifold) -> None:
        """An empty batch is a batch."""
        found = manifold.project(np.empty((0, manifold.dimensions), np.float32))

        assert found.coordinates.shape == (0, 2)
        assert found.neighbours.shape == found.distances.shape == (0, manifold.spec.n_neighbors)

    @pytest.mark.parametrize("threads", [1, 2])
    @pytest.mark.parametrize("asked_before", [0, 4])
    def test_a_check_stops_the_work(
        self, manifold: Manifold, rows: Rows, threads: int, asked_before: int
    ) -> None:
        """At the first question, and at a later one."""
        asked = []

        def check() -> None:
            asked.append(None)
            if len(asked) > asked_before:
                raise Stopped

        with pytest.raises(Stopped):
            manifold.project(rows, threads=threads, check=check)


class TestLeaveOneOut:
    def test_a_row_that_excludes_itself_has_the_neighbours_of_a_map_without_it(
        self, manifold: Manifold
    ) -> None:
        """The same distances to the bit, and the same rows."""
        count = 40
        found = manifold.project(manifold.embeddings[:count], excluded=np.arange(count))

        for i in range(count):
            without = Manifold(
                manifold.spec,
                np.delete(manifold.embeddings, i, axis=0),
                np.delete(manifold.coordinates, i, axis=0),
            )
            neighbours, distances = without.nearest(manifold.embeddings[i : i + 1])
            assert (found.distances[i] == distances[0]).all()
            assert (found.neighbours[i] == neighbours[0] + (neighbours[0] >= i)).all()

    def test_it_settles_near_its_neighbours_and_not_on_its_own_place(self, manifold: Manifold) -> None:
        """Where it lay in the fit tells nothing any more."""
        found = manifold.project(manifold.embeddings, excluded=np.arange(len(manifold)))

        middle = manifold.coordinates[found.neighbours].mean(axis=1)
        assert np.median(np.linalg.norm(found.coordinates - middle, axis=1)) < 1.0
        assert (found.coordinates != manifold.project(manifold.embeddings).coordinates).any(
            axis=1
        ).mean() > 0.9

    def test_minus_one_excludes_nothing(self, manifold: Manifold, rows: Rows, projection: Projection) -> None:
        """The same bits as without a word about it."""
        assert_same_bits(projection, manifold.project(rows, excluded=np.full(len(rows), -1)))

    def test_bits_do_not_depend_on_the_batch(self, manifold: Manifold) -> None:
        """A row may be left out alone or with all others."""
        everything = manifold.project(manifold.embeddings, excluded=np.arange(len(manifold)))

        for first in range(0, 70, 7):
            part = slice(first, first + 7)
            found = manifold.project(manifold.embeddings[part], excluded=np.arange(first, first + 7))
            assert_same_bits(everything, found, part)


def run_elsewhere(manifold: Manifold, rows: Rows, folder: Path) -> tuple[Projection, list[str]]:
    """Project the rows in another process; also return which heavy libraries it loaded."""
    np.savez(folder / "map.npz", rows=rows, **manifold.arrays())
    spec = json.dumps(manifold.spec.to_json())
    run = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, folder / "map.npz", spec, folder / "found.npz"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    with np.load(folder / "found.npz") as arrays:
        return Projection(**arrays), run.stdout.split()


class TestAnotherProcess:
    def test_it_finds_the_same_bits_without_the_libraries_of_the_fit(
        self, manifold: Manifold, rows: Rows, projection: Projection, tmp_path: Path
    ) -> None:
        """The API applies a map without umap-learn, scikit-learn or torch."""
        found, loaded = run_elsewhere(manifold, rows, tmp_path)

        assert_same_bits(projection, found)
        assert [] == loaded


class TestManifoldSpec:
    def test_a_description_survives_json(self, spec: ManifoldSpec) -> None:
        """Equal, down to the random state's being a tuple."""
        assert spec == ManifoldSpec.from_json(json.loads(json.dumps(spec.to_json())))

    @pytest.mark.parametrize("name", list(asdict(ManifoldSpec(2, 0, 1, 1, 0, (0, 0, 0)))))
    def test_a_missing_entry_is_named(self, spec: ManifoldSpec, name: str) -> None:
        """An artifact of another kind tells what it lacks."""
        entries = spec.to_json()
        del entries[name]

        with pytest.raises(ManifoldError, match=name):
            ManifoldSpec.from_json(entries)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("n_neighbors", "many"),
            ("n_neighbors", None),
            ("n_neighbors", float("inf")),
            ("n_neighbors", 1),
            ("n_neighbors", 1001),
            ("n_epochs", 0),
            ("n_epochs", 10_001),
            ("negative_sample_rate", 0),
            ("negative_sample_rate", 101),
            ("repulsion_strength", 0.0),
            ("a", 0.0),
            ("a", -1.0),
            ("a", float("nan")),
            ("a", float("inf")),
            ("b", 1e6),
            ("b", [0.9]),
            ("rng_state", [1, 2]),
            ("rng_state", 5),
            ("rng_state", ["a", "b", "c"]),
            ("rng_state", [0, 0, 2**31]),
            ("rng_state", [-(2**31) - 1, 0, 0]),
        ],
    )
    def test_an_impossible_value_is_refused(self, spec: ManifoldSpec, name: str, value: object) -> None:
        """Before any row is placed with it."""
        with pytest.raises(ManifoldError):
            ManifoldSpec.from_json(spec.to_json() | {name: value})

    def test_the_error_has_a_code_and_a_title(self) -> None:
        """Which the API hands on."""
        assert ManifoldError.code == "projection_failed"
        assert ManifoldError.title


class TestManifold:
    def test_it_tells_its_size(self, small: Manifold) -> None:
        """Rows and dimensions."""
        assert (len(small), small.dimensions) == (10, 4)

    @pytest.mark.parametrize(
        ("embeddings", "coordinates"),
        [((10,), (10, 2)), ((10, 4), (9, 2)), ((10, 4), (10, 3)), ((10, 4), (10,)), ((10, 4, 1), (10, 2))],
    )
    def test_arrays_that_do_not_fit_together_are_refused(
        self, spec: ManifoldSpec, embeddings: tuple[int, ...], coordinates: tuple[int, ...]
    ) -> None:
        """The message names both shapes."""
        with pytest.raises(ManifoldError, match="do not describe the same rows"):
            Manifold(spec, np.zeros(embeddings, np.float32), np.zeros(coordinates, np.float32))

    @pytest.mark.parametrize("name", ["embeddings", "coordinates"])
    def test_other_kinds_of_numbers_are_refused(self, small: Manifold, name: str) -> None:
        """Rounding them would move the map."""
        arrays = small.arrays()
        arrays[name] = arrays[name].astype(np.float64)

        with pytest.raises(ManifoldError, match="float32"):
            Manifold.from_arrays(small.spec, arrays)

    @pytest.mark.parametrize("name", ["embeddings", "coordinates"])
    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_numbers_that_are_not_finite_are_refused(self, small: Manifold, name: str, value: float) -> None:
        """One of them is enough."""
        arrays = {key: array.copy() for key, array in small.arrays().items()}
        arrays[name][3, 1] = value

        with pytest.raises(ManifoldError, match="not finite"):
            Manifold.from_arrays(small.spec, arrays)

    def test_a_map_needs_more_rows_than_neighbours(self, small: Manifold) -> None:
        """So that a row may be left out."""
        arrays = {name: array[:4] for name, array in small.arrays().items()}
        enough = Manifold.from_arrays(small.spec, arrays)
        everything = enough.nearest(enough.embeddings, excluded=np.arange(4))[0]

        assert [sorted({0, 1, 2, 3} - {i}) for i in range(4)] == np.sort(everything, axis=1).tolist()
        with pytest.raises(ManifoldError, match="4 rows; with 4 neighbours"):
            Manifold.from_arrays(replace(small.spec, n_neighbors=4), arrays)

    @pytest.mark.parametrize("shape", [(5, 3), (5, 5), (4,), (5, 4, 1), (0, 3)])
    def test_rows_of_another_width_are_refused(self, small: Manifold, shape: tuple[int, ...]) -> None:
        """They come from another classifier."""
        for method in (small.project, small.nearest):
            with pytest.raises(ManifoldError, match=r"takes \(rows, 4\)"):
                method(np.zeros(shape, np.float32))

    @pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int32])
    def test_rows_of_other_numbers_are_refused(self, small: Manifold, dtype: type) -> None:
        """Rounding them silently would hide a mistake."""
        with pytest.raises(ManifoldError, match="embeddings are float32"):
            small.project(np.zeros((5, 4), dtype))

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 2e12, -3e38])
    def test_rows_that_are_not_finite_or_absurd_are_refused(self, small: Manifold, value: float) -> None:
        """They have no place, not even a far one."""
        rows = np.zeros((5, 4), np.float32)
        rows[4, 3] = value

        with pytest.raises(ManifoldError, match="not finite"):
            small.project(rows)

    @pytest.mark.parametrize("size", [0.0, 1e-30, 1e5, 1e12])
    def test_rows_of_any_other_size_have_a_finite_place(self, small: Manifold, size: float) -> None:
        """However far they lie from the map; the same alone and among others."""
        rows = np.random.default_rng(1).uniform(-size, size, (40, 4)).astype(np.float32)

        found = small.project(rows)

        assert np.isfinite(found.coordinates).all()
        assert_same_bits(found, small.project(rows[5:9]), slice(5, 9))
