"""Training a ResNet-18 on canvases, an epoch at a time, so that a caller can stop and resume.

Which crops an epoch shows, in which order, and how each is varied follows from the seed and the epoch
alone; a run that was cut and resumed ends with the same weights as one that was not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from sklearn.metrics import average_precision_score
from torch.nn import functional

from models.classification import network, training_state
from models.classification.augmentation import Augmentation, Draws, EpochDraws, augment
from models.classification.classifier import Classifier, ClassifierSpec
from models.classification.records import EpochRecord
from models.classification.training_set import LabelledCanvases, class_weights
from models.epochs import EpochPart
from models.precision import autocast_dtype

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_ORDER_STREAM = 0x0D3
_MIN_BATCH = 2  # batch normalisation has no variance of a single crop


@dataclass(frozen=True)
class TrainingConfig:
    """How to train; the defaults are the paper's (appendix B.2).

    Attributes
    ----------
    schedule
        ``constant`` learning rate, or ``cosine`` from it to zero over the planned epochs.
    class_weights
        Weigh the loss of a class by its inverse frequency.
    over_sampling
        Draw both classes equally often, with repetition; an epoch keeps its length. A crop that is drawn
        several times in an epoch is varied anew each time.
    epoch_steps
        Batches of an epoch, which then is no pass over the crops: passes follow each other without a
        break, and trainings on sets of different size are equally long. None: an epoch is a pass.
    patience_epochs
        Stop when validation average precision has not risen for so many epochs, and keep the best
        epoch. None: all epochs are run, and the last one counts.
    """

    epochs: int = 50
    batch_size: int = 32
    learning_rate: float = 1e-3
    schedule: Literal["constant", "cosine"] = "constant"
    weight_decay: float = 0.0
    augmentation: Augmentation = field(default_factory=Augmentation)
    class_weights: bool = False
    over_sampling: bool = False
    epoch_steps: int | None = None
    patience_epochs: int | None = None
    seed: int = 0
    precision: str = "auto"


@dataclass(frozen=True)
class _Batch:
    """Rows of a batch, and the numbers of their draws within the epoch: (B,) int64 each."""

    rows: NDArray[np.int64]
    drawn: NDArray[np.int64]


class ClassifierTrainer:
    """Holds network, optimiser and data between epochs.

    Parameters
    ----------
    net
        Trained in place; `network.build(seed=…)` for a new one.
    train, validation
        Neither may share a slide with the other; that is the caller's duty.
    spec
        Preprocessing and normalisation that the canvases were made with.

    Raises
    ------
    ValueError
        Training has fewer than two crops, or only one class.
    """

    def __init__(
        self,
        net: network.ResNet18,
        train: LabelledCanvases,
        validation: LabelledCanvases,
        *,
        spec: ClassifierSpec,
        config: TrainingConfig,
        device: torch.device,
    ) -> None:
        if len(np.unique(train.labels)) < network.NUM_CLASSES:
            raise ValueError("Training needs crops of both classes, normal and aberration.")
        self.config = config
        self.device = device
        self.spec = spec
        self.history: list[EpochRecord] = []
        self.part = EpochPart()
        self.best_epoch = 0
        self.net = net.to(device)
        self._autocast_dtype = autocast_dtype(config.precision, device)
        # Pays with bfloat16 and on GPUs only: float32 on a CPU is slower with it.
        self._layout = (
            torch.channels_last if self._autocast_dtype or device.type == "cuda" else torch.contiguous_format
        )
        for parameter in self.net.parameters():
            parameter.data = self.laid_out(parameter.data)
        self._train = train
        self._validation = validation
        self.best_state: dict[str, torch.Tensor] | None = None
        self.optimiser = torch.optim.AdamW(  # without decay it is Adam
            self.net.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
        weights = torch.from_numpy(class_weights(train.labels)).float() if config.class_weights else None
        self._class_weights = None if weights is None else weights.to(device)
        self._mean = torch.tensor(spec.mean).view(1, 3, 1, 1)
        self._std = torch.tensor(spec.std).view(1, 3, 1, 1)

    @property
    def epoch(self) -> int:
        """How many epochs are done."""
        return len(self.history)

    @property
    def position(self) -> tuple[int, int]:
        """Epochs that are done, and batches of the present one."""
        return self.epoch, self.part.batches

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or patience is at its end."""
        patience = self.config.patience_epochs
        stale = patience is not None and self.epoch - self.best_epoch >= patience and self.epoch > 0
        return self.epoch >= self.config.epochs or stale

    def run_epoch(self, check: Callable[[], None] = lambda: None) -> EpochRecord:
        """Train one epoch, or the rest of one, and validate.

        `check` is called before every batch; if it raises, `checkpoint` keeps the batches before.
        """
        self.net.train()
        batches = list(self._batches())
        num_draws = max(len(self._train), sum(len(batch.rows) for batch in batches))
        draws = EpochDraws(num_draws, self.config.seed, self.epoch)
        for index in range(self.part.batches, len(batches)):
            check()
            for group in self.optimiser.param_groups:
                group["lr"] = self._learning_rate(self.epoch + index / len(batches))
            rows, drawn = batches[index].rows, batches[index].drawn
            self.part = self.part.plus(self._step(rows, draws.of(drawn)), len(rows))
        record = self._validated(self.part.mean_loss)
        self.part = EpochPart()
        self.history.append(record)
        self._remember_best(record)
        return record

    def weights(self, *, half: bool = False) -> bytes:
        """Safetensors of the network that counts: the best epoch's with patience, else the last one's."""
        net = network.from_state_dict(self.best_state or self.net.state_dict())
        return network.to_safetensors(net, half=half)

    def checkpoint(self) -> bytes:
        """Everything an exact resume needs, as safetensors (no pickle)."""
        return training_state.pack(self)

    def resume(self, content: bytes) -> None:
        """Continue from the bytes of `checkpoint`, made with the same data and configuration."""
        training_state.unpack(self, content)

    def laid_out(self, tensor: torch.Tensor) -> torch.Tensor:
        """Lay a convolution's weights, or what the optimiser keeps of them, out as images are.

        The fused optimiser walks through memory: weights and moments must lie alike.
        """
        is_convolution = tensor.ndim == 4  # noqa: PLR2004 - out, in, height, width
        return tensor.contiguous(memory_format=self._layout) if is_convolution else tensor

    def _learning_rate(self, epochs_done: float) -> float:
        if self.config.schedule == "constant":
            return self.config.learning_rate
        return self.config.learning_rate * 0.5 * (1.0 + math.cos(math.pi * epochs_done / self.config.epochs))

    def _batches(self) -> Iterator[_Batch]:
        """Rows of the training set, in batches of at least two, and which draws vary them."""
        config = self.config
        order = self._over_sampled() if config.over_sampling else self._passes()
        once = not config.over_sampling and config.epoch_steps is None
        starts = list(range(0, len(order), config.batch_size))
        if len(starts) > 1 and len(order) - starts[-1] < _MIN_BATCH:
            starts.pop()  # the last crop joins the batch before it
        for start, stop in zip(starts, [*starts[1:], len(order)], strict=True):
            rows = order[start:stop]
            # Where a crop may come twice, its place in the epoch says how it is varied, not the crop.
            yield _Batch(rows, rows if once else np.arange(start, stop))

    def _over_sampled(self) -> NDArray[np.int64]:
        """An epoch's rows, half of them of either class."""
        labels, length = self._train.labels, self._epoch_length
        rng = np.random.default_rng([_ORDER_STREAM, self.config.seed, self.epoch])
        halves = [
            rng.choice(np.nonzero(labels == label)[0], (length + label) // 2, replace=True)
            for label in range(network.NUM_CLASSES)
        ]
        return rng.permutation(np.concatenate(halves))

    def _passes(self) -> NDArray[np.int64]:
        """An epoch's rows out of one random order of the training set after another."""
        size, length = len(self._train), self._epoch_length
        first = self.epoch * length
        numbers = range(first // size, (first + length - 1) // size + 1)
        orders = [
            np.random.default_rng([_ORDER_STREAM, self.config.seed, number]).permutation(size)
            for number in numbers
        ]
        start = first - numbers[0] * size
        return np.concatenate(orders)[start : start + length]

    @property
    def _epoch_length(self) -> int:
        steps = self.config.epoch_steps
        return len(self._train) if steps is None else steps * self.config.batch_size

    def _step(self, rows: NDArray[np.int64], draws: Draws) -> float:
        canvases = torch.from_numpy(self._train.canvases[rows]).to(torch.float32) / 255.0
        images = augment(canvases, self.config.augmentation, draws)
        images = ((images - self._mean) / self._std).to(self.device, memory_format=self._layout)
        labels = torch.from_numpy(self._train.labels[rows]).to(self.device)
        enabled = self._autocast_dtype is not None
        with torch.autocast(self.device.type, dtype=self._autocast_dtype, enabled=enabled):
            logits = self.net(images)
        loss = functional.cross_entropy(logits.float(), labels, weight=self._class_weights)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        return float(loss.item())

    def _validated(self, loss: float) -> EpochRecord:
        labels = self._validation.labels
        if len(labels) == 0:
            return EpochRecord(loss, None, None, None)
        scorer = Classifier(network.to_safetensors(self.net), self.spec, self.device)
        scores = scorer.score(self._validation.canvases)
        margin = (scores.logits[:, 1] - scores.logits[:, 0]).astype(np.float64)
        val_loss = float(np.logaddexp(0.0, np.where(labels == 1, -margin, margin)).mean())
        if not labels.any():
            return EpochRecord(loss, val_loss, None, None)
        called = margin >= 0
        found = int((called & (labels == 1)).sum())
        f1 = 2.0 * found / max(int(called.sum()) + int(labels.sum()), 1)
        return EpochRecord(loss, val_loss, f1, float(average_precision_score(labels, margin)))

    def _remember_best(self, record: EpochRecord) -> None:
        if self.config.patience_epochs is None:
            self.best_epoch = self.epoch
            return
        earlier = [r.val_average_precision or 0.0 for r in self.history[:-1]]
        if (record.val_average_precision or 0.0) > max(earlier, default=-1.0):
            self.best_epoch = self.epoch
            self.best_state = {name: t.detach().cpu().clone() for name, t in self.net.state_dict().items()}
