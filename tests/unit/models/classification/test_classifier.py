"""A network at work: the same crop gets the same bits, whatever else is scored."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.classification import network
from models.classification.classifier import (
    BATCH_ON_CPU,
    Classifier,
    ClassifierError,
    ClassifierSpec,
    probabilities,
)
from models.classification.preprocessing import Preprocessing, PreprocessingError
from models.state_files import WeightsError

SPEC = ClassifierSpec(
    Preprocessing(canvas_px=32, scale=0.5), (0.1, 0.1, 0.2), (0.3, 0.3, 0.4), temperature=1.5, threshold=0.4
)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def net() -> network.ResNet18:
    """A network whose batch statistics are not the initial ones."""
    made = network.build(seed=1)
    made.train()
    with torch.inference_mode():
        made(torch.rand(16, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
    return made.eval()


@pytest.fixture(scope="module")
def classifier(net: network.ResNet18) -> Classifier:
    return Classifier(network.to_safetensors(net), SPEC, CPU)


@pytest.fixture(scope="module")
def canvases() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (70, 3, 32, 32)).astype(np.uint8)


class TestScore:
    def test_is_what_the_plain_network_says(
        self, net: network.ResNet18, classifier: Classifier, canvases: NDArray[np.uint8]
    ) -> None:
        """Folding and layout change nothing but the last bits."""
        images = torch.from_numpy(canvases).float() / 255.0
        images = (images - torch.tensor(SPEC.mean).view(1, 3, 1, 1)) / torch.tensor(SPEC.std).view(1, 3, 1, 1)
        with torch.inference_mode():
            logits, features = net(images), net.features(images)
        scores = classifier.score(canvases)

        assert np.allclose(logits, scores.logits, rtol=1e-4, atol=1e-4)
        assert np.allclose(features, scores.embeddings, rtol=1e-4, atol=1e-4)
        expected = torch.softmax(logits.double() / SPEC.temperature, dim=1)[:, 1]
        assert np.allclose(expected, scores.probabilities, atol=1e-4)

    @pytest.mark.parametrize("size", [1, 7, BATCH_ON_CPU, BATCH_ON_CPU + 1])
    def test_is_the_same_bit_for_bit_in_any_batch(
        self, classifier: Classifier, canvases: NDArray[np.uint8], size: int
    ) -> None:
        """Alone, in small batches, in large ones, and in any order."""
        whole = classifier.score(canvases)
        order = np.random.default_rng(size).permutation(len(canvases))
        parts = [classifier.score(canvases[order[i : i + size]]) for i in range(0, len(order), size)]

        assert whole.embeddings[order].tobytes() == np.concatenate([p.embeddings for p in parts]).tobytes()
        assert whole.logits[order].tobytes() == np.concatenate([p.logits for p in parts]).tobytes()
        assert (
            whole.probabilities[order].tobytes() == np.concatenate([p.probabilities for p in parts]).tobytes()
        )

    def test_of_nothing_is_nothing(self, classifier: Classifier) -> None:
        """A metaphase without chromosomes is no error."""
        scores = classifier.score(np.zeros((0, 3, 32, 32), np.uint8))

        assert ((0, 2), (0,), (0, 512)) == (
            scores.logits.shape,
            scores.probabilities.shape,
            scores.embeddings.shape,
        )

    def test_with_flips_does_not_depend_on_the_mirror(
        self, net: network.ResNet18, canvases: NDArray[np.uint8]
    ) -> None:
        """All four views are averaged, so a mirrored crop scores as the crop."""
        spec = ClassifierSpec(Preprocessing(canvas_px=32, scale=0.5), test_time_flips=True)
        classifier = Classifier(network.to_safetensors(net), spec, CPU)
        expected = classifier.score(canvases[:5]).embeddings

        for mirrored in (canvases[:5, :, ::-1], canvases[:5, :, :, ::-1], canvases[:5, :, ::-1, ::-1]):
            assert np.allclose(expected, classifier.score(mirrored).embeddings, rtol=1e-4, atol=1e-5)

    def test_refuses_canvases_of_another_size(self, classifier: Classifier) -> None:
        """Preprocessing belongs to the network."""
        with pytest.raises(PreprocessingError, match=r"\(3, 32, 32\)"):
            classifier.score(np.zeros((1, 3, 64, 64), np.uint8))

    def test_says_when_scores_are_not_finite(self, net: network.ResNet18) -> None:
        """Damaged weights are no verdict."""
        state = {name: tensor.clone() for name, tensor in net.state_dict().items()}
        state["fc.weight"] += 3e38
        broken = Classifier(network.to_safetensors(network.from_state_dict(state)), SPEC, CPU)

        with pytest.raises(ClassifierError, match="not finite"):
            broken.score(np.full((1, 3, 32, 32), 200, np.uint8))


class TestHead:
    def test_makes_logits_of_embeddings(self, classifier: Classifier, canvases: NDArray[np.uint8]) -> None:
        """Whoever has an embedding needs no network to classify it."""
        weight, bias = classifier.head
        scores = classifier.score(canvases[:8])

        assert ((2, 512), (2,)) == (weight.shape, bias.shape)
        assert np.allclose(scores.embeddings @ weight.T + bias, scores.logits, rtol=1e-5, atol=1e-5)


class TestClassifier:
    def test_refuses_a_starting_point(self) -> None:
        """A thousand classes are ImageNet's."""
        content = network.to_safetensors(network.build(1000), half=True)

        with pytest.raises(WeightsError, match="1000 classes"):
            Classifier(content, SPEC, CPU)

    def test_spec_comes_back_from_a_manifest(self) -> None:
        """Everything that belongs to the weights travels with them."""
        assert SPEC == ClassifierSpec.from_manifest(SPEC.to_json())


class TestProbabilities:
    def test_do_not_overflow(self) -> None:
        """However sure the network is."""
        logits = np.array([[1e4, -1e4], [-1e4, 1e4], [0.0, 0.0]], np.float32)

        assert [0.0, 1.0, 0.5] == probabilities(logits, 1.0).tolist()

    def test_temperature_never_changes_the_order(self) -> None:
        """It only says how sure the network is."""
        logits = np.random.default_rng(0).normal(size=(50, 2))

        assert np.array_equal(np.argsort(probabilities(logits, 1.0)), np.argsort(probabilities(logits, 3.0)))
