"""A training's whole state as safetensors, and back: weights, best weights, optimiser, history."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import safetensors.torch
import torch

from models.classification.records import EpochRecord
from models.epochs import EpochPart
from models.state_files import under

if TYPE_CHECKING:
    from models.classification.training import ClassifierTrainer

_ADAM_STATE = ("step", "exp_avg", "exp_avg_sq")


def pack(trainer: ClassifierTrainer) -> bytes:
    """Write everything down that the next batch depends on."""
    tensors = {f"net.{name}": tensor for name, tensor in trainer.net.state_dict().items()}
    for index, state in trainer.optimiser.state_dict()["state"].items():
        tensors |= {f"adam.{index}.{name}": state[name] for name in _ADAM_STATE}
    if trainer.best_state is not None:
        tensors |= {f"best.{name}": tensor for name, tensor in trainer.best_state.items()}
    rows = [[math.nan if v is None else v for v in vars(record).values()] for record in trainer.history]
    tensors["history"] = torch.tensor(rows, dtype=torch.float64)
    tensors["best_epoch"] = torch.tensor(trainer.best_epoch)
    tensors["part"] = trainer.part.to_tensor()
    return safetensors.torch.save({k: t.detach().cpu().contiguous() for k, t in tensors.items()})


def unpack(trainer: ClassifierTrainer, content: bytes) -> None:
    """Bring a trainer of the same data and configuration to where `pack` was called."""
    tensors = safetensors.torch.load(content)
    trainer.history = [
        EpochRecord(row[0], *(None if math.isnan(v) else v for v in row[1:]))
        for row in tensors.pop("history").tolist()
    ]
    trainer.best_epoch = int(tensors.pop("best_epoch"))
    trainer.part = EpochPart.of_tensor(tensors.pop("part", None))
    trainer.net.load_state_dict(under("net.", tensors))
    trainer.best_state = under("best.", tensors) or None
    optimiser_state = trainer.optimiser.state_dict()
    for key, tensor in under("adam.", tensors).items():
        index, name = key.split(".", 1)
        optimiser_state["state"].setdefault(int(index), {})[name] = trainer.laid_out(tensor)
    trainer.optimiser.load_state_dict(optimiser_state)
