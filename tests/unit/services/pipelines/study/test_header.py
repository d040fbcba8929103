"""What a study tells of itself besides its runs."""

from __future__ import annotations

from services.pipelines.study.header import given_generator


class TestGivenGenerator:
    def test_tells_of_its_training(self) -> None:
        """It took steps and aberrations, although not in this study."""
        manifest = {"training": {"aberrations": 164, "steps": 3000}, "recipe": {"loss": "l1"}}

        told = given_generator("bridge/2", manifest)

        assert ("artifact bridge/2", 164, 3000) == (told["origin"], told["aberrations"], told["steps"])
        assert {"loss": "l1"} == told["settings"]

    def test_leaves_open_what_its_maker_did_not_say(self) -> None:
        """An imported checkpoint knows nothing of its training."""
        told = given_generator("official/1", {})

        assert (None, None) == (told["aberrations"], told["steps"])
