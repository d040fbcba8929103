"""A training's whole state as safetensors, and back: weights, averages, optimiser, schedule, history."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors.torch
import torch

from models.state_files import under

if TYPE_CHECKING:
    from models.bridge.training import BridgeTrainer

_ADAM_STATE = ("step", "exp_avg", "exp_avg_sq")
_PLATEAU_STATE = ("best", "num_bad_epochs", "cooldown_counter", "last_epoch")


def pack(trainer: BridgeTrainer) -> bytes:
    """Write everything down that the next step depends on."""
    tensors = {f"net.{name}": tensor for name, tensor in trainer.net.state_dict().items()}
    tensors |= {f"ema.{name}": tensor for name, tensor in trainer.average.shadow.items()}
    for index, state in trainer.optimiser.state_dict()["state"].items():
        tensors |= {f"adam.{index}.{name}": state[name] for name in _ADAM_STATE}
    told = {
        "step": trainer.step,
        "history": trainer.history,
        "since_record": trainer.since_record,
        "micro_batch": trainer.micro_batch,
        "learning_rate": trainer.learning_rate,
        "plateau": {name: getattr(trainer.plateau, name) for name in _PLATEAU_STATE},
    }
    tensors["told"] = torch.from_numpy(np.frombuffer(json.dumps(told).encode(), np.uint8).copy())
    return safetensors.torch.save({k: t.detach().cpu().contiguous() for k, t in tensors.items()})


def unpack(trainer: BridgeTrainer, content: bytes) -> None:
    """Bring a trainer of the same data and configuration to where `pack` was called."""
    tensors = safetensors.torch.load(content)
    told = json.loads(tensors.pop("told").numpy().tobytes())
    trainer.step = told["step"]
    trainer.history = told["history"]
    trainer.since_record = (told["since_record"][0], told["since_record"][1])
    trainer.micro_batch = told["micro_batch"]
    trainer.net.load_state_dict(under("net.", tensors))
    for name, tensor in under("ema.", tensors).items():
        trainer.average.shadow[name].copy_(tensor)
    _restore_optimiser(trainer.optimiser, under("adam.", tensors), told["learning_rate"])
    for name, value in told["plateau"].items():
        setattr(trainer.plateau, name, value)


def _restore_optimiser(
    optimiser: torch.optim.Optimizer, tensors: dict[str, torch.Tensor], learning_rate: float
) -> None:
    state: dict[str, Any] = optimiser.state_dict()
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    for key, tensor in tensors.items():
        index, name = key.split(".", 1)
        like = parameters[int(index)]
        # The fused optimiser walks through memory: moments must lie as their weights do.
        laid_out = torch.empty_like(like, device="cpu").copy_(tensor) if tensor.ndim else tensor
        state["state"].setdefault(int(index), {})[name] = laid_out
    for group in state["param_groups"]:
        group["lr"] = learning_rate
    optimiser.load_state_dict(state)
