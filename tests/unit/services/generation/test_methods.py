from __future__ import annotations

from typing import Any

import pytest

from models.simulation.painting import Painting
from services.artifacts.types import ArtifactVersion
from services.clock import utc_now
from services.errors import InvalidInputError
from services.generation.methods import OWN_PARAMS, canvas_px_of, check_params, method_of, sampling_of
from services.jobs.params import GenerationParams


def version(method: str, **manifest: Any) -> ArtifactVersion:
    """A generator with the least that a manifest says."""
    told = {
        "method": method,
        "trained": True,
        "preprocessing": {"canvas_px": 48},
        "parameters": Painting().to_json(),
        "sampling": {"sampler": "bbdm", "steps": 50, "eta": 0.5, "order": 2},
        "bridge": {"prediction_type": "grad", "max_variance": 1.0, "num_train_timesteps": 500},
    }
    return ArtifactVersion("generator", "g", 1, told | manifest, {}, "0" * 64, 0, None, utc_now())


class TestMethodOf:
    def test_known(self) -> None:
        """A generator says how it works, and how large its pictures are."""
        assert ("bbdm", 48) == (method_of(version("bbdm")), canvas_px_of(version("bbdm")))

    def test_unknown(self) -> None:
        """A method of a later version is named, with those that are known here."""
        with pytest.raises(InvalidInputError, match="bbdm, cyclegan, painted"):
            method_of(version("alchemy"))


class TestCheckParams:
    @pytest.mark.parametrize(
        ("method", "params"),
        [
            ("bbdm", {"steps": 20, "sampler": "dbim", "order": 2, "samples_per_source": 9}),
            ("cyclegan", {}),
            ("painted", {"painting": {"three_parts": 0.5}, "samples_per_source": 1000}),
        ],
    )
    def test_accepts_what_means_something(self, method: str, params: dict[str, Any]) -> None:
        """Every method takes its own parameters."""
        check_params(version(method), GenerationParams(**params))

    @pytest.mark.parametrize(
        ("method", "params", "field"),
        [
            ("painted", {"steps": 20}, "steps"),
            ("painted", {"sampler": "dbim"}, "sampler"),
            ("cyclegan", {"eta": 0.5}, "eta"),
            ("cyclegan", {"painting": {}}, "painting"),
            ("bbdm", {"painting": {}}, "painting"),
            ("cyclegan", {"samples_per_source": 2}, "samples_per_source"),
            ("bbdm", {"order": 2}, "order"),
            ("bbdm", {"sampler": "dbim", "eta": 0.5}, "eta"),
            ("bbdm", {"steps": 501}, "steps"),
            ("painted", {"painting": {"colour": 1}}, "painting"),
            ("painted", {"painting": {"position": [0.9, 0.1]}}, "painting"),
        ],
    )
    def test_refuses_what_would_change_nothing(self, method: str, params: dict[str, Any], field: str) -> None:
        """What a method does not have is refused by its name instead of being ignored."""
        with pytest.raises(InvalidInputError) as caught:
            check_params(version(method), GenerationParams(**params))

        assert field == caught.value.field

    def test_order_follows_the_generators_own_sampler(self) -> None:
        """An order needs dbim, be it the job's or the generator's own."""
        usual = {"sampler": "dbim", "steps": 10, "eta": 1.0, "order": 3}

        check_params(version("bbdm", sampling=usual), GenerationParams(order=2))

    def test_tells_which_parameters_there_are(self) -> None:
        """The sentence says what could be given instead."""
        with pytest.raises(InvalidInputError, match="of its own: painting"):
            check_params(version("painted"), GenerationParams(steps=20))

    @pytest.mark.parametrize("method", ["bbdm", "cyclegan"])
    def test_refuses_random_weights(self, method: str) -> None:
        """Only what has learnt, or needs no learning, generates."""
        with pytest.raises(InvalidInputError, match="starting point"):
            check_params(version(method, trained=False), GenerationParams())
        check_params(version("painted", trained=False), GenerationParams())

    def test_every_own_parameter_exists(self) -> None:
        """The table names fields of the request, which are empty unless somebody asks."""
        names = {name for own in OWN_PARAMS.values() for name in own}

        assert {None} == {getattr(GenerationParams(), name) for name in names}


class TestSamplingOf:
    def test_is_the_generators_own_but_for_what_is_given(self) -> None:
        """A job that asks for fewer steps keeps the rest."""
        sampling = sampling_of(version("bbdm"), GenerationParams(steps=20))

        assert {"sampler": "bbdm", "steps": 20, "eta": 0.5, "order": 2} == sampling

    def test_steps_of_one_sampler_are_not_those_of_another(self) -> None:
        """With the other sampler its own usual steps count, not those that the manifest says."""
        sampling = sampling_of(version("bbdm"), GenerationParams(sampler="dbim"))

        assert {"sampler": "dbim", "steps": 15, "eta": 1.0, "order": 3} == sampling
