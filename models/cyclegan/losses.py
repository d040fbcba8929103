"""What CycleGAN's networks are trained to do: least-squares adversaries, cycles, identity.

Domain a is DAPI, domain b the colours. A loss carries the letter of the domain in which pictures are
compared or judged: ``loss_cycle_a`` is that of DAPI which became colours and DAPI again, and
``loss_gan_b`` is low when generated colours fool the discriminator of colours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from models.cyclegan.network import build_discriminator, build_generator

if TYPE_CHECKING:
    from models.cyclegan.config import CycleganConfig
    from models.cyclegan.data import UnpairedBatch

REAL, GENERATED = 1.0, 0.0


class CycleganNetworks(nn.Module):
    """Two generators and two discriminators.

    Parameters
    ----------
    config
        Their sizes, and the seed of their first weights.
    canvas_px
        Side of the canvases.
    """

    def __init__(self, config: CycleganConfig, canvas_px: int) -> None:
        super().__init__()
        size, seed = config.network(canvas_px), 4 * config.seed
        self.to_colours = build_generator(size, seed=seed)
        self.to_dapi = build_generator(size, seed=seed + 1)
        self.judge_dapi = build_discriminator(config.discriminator_width, seed=seed + 2)
        self.judge_colours = build_discriminator(config.discriminator_width, seed=seed + 3)

    def generators(self) -> list[nn.Parameter]:
        """Parameters of both generators."""
        return [*self.to_colours.parameters(), *self.to_dapi.parameters()]

    def discriminators(self) -> list[nn.Parameter]:
        """Parameters of both discriminators."""
        return [*self.judge_dapi.parameters(), *self.judge_colours.parameters()]


@dataclass(frozen=True)
class GeneratorLosses:
    """What the generators are to be blamed for, and what they made.

    Attributes
    ----------
    total
        The weighted sum that is minimised.
    parts
        Unweighted, by name: mean absolute differences of pictures in [-1, 1], and squared ones of
        judgements from 1.
    fake_a, fake_b : (B, 3, S, S)
        Generated DAPI and colours.
    """

    total: torch.Tensor
    parts: dict[str, torch.Tensor]
    fake_a: torch.Tensor
    fake_b: torch.Tensor


def adversarial(judgements: torch.Tensor, wanted: float) -> torch.Tensor:
    """Mean squared difference from what is wanted: least squares (Mao et al., ICCV 2017)."""
    return (judgements.float() - wanted).square().mean()


def generator_losses(nets: CycleganNetworks, batch: UnpairedBatch, config: CycleganConfig) -> GeneratorLosses:
    """Translate a batch there and back, and hold it against what it should be.

    Instance normalisation keeps pictures apart, so that calls can be joined without changing them.
    """
    a, b = batch.dapi, batch.colours
    if config.identity_weight:
        fake_b, same_b = nets.to_colours(torch.cat([a, b])).chunk(2)
        fake_a, same_a = nets.to_dapi(torch.cat([b, a])).chunk(2)
    else:
        fake_b, same_b, fake_a, same_a = nets.to_colours(a), b, nets.to_dapi(b), a
    parts = {
        "loss_gan_a": adversarial(nets.judge_dapi(fake_a), REAL),
        "loss_gan_b": adversarial(nets.judge_colours(fake_b), REAL),
        "loss_cycle_a": _difference(nets.to_dapi(fake_b), a),
        "loss_cycle_b": _difference(nets.to_colours(fake_a), b),
        "loss_identity_a": _difference(same_a, a),
        "loss_identity_b": _difference(same_b, b),
    }
    cycles = parts["loss_cycle_a"] + parts["loss_cycle_b"]
    identities = parts["loss_identity_a"] + parts["loss_identity_b"]
    total = parts["loss_gan_a"] + parts["loss_gan_b"]
    total = total + config.cycle_weight * (cycles + config.identity_weight * identities)
    return GeneratorLosses(total, parts, fake_a, fake_b)


def discriminator_loss(
    judge: nn.Module, real: torch.Tensor, generated: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Loss of one discriminator, and its mean judgement of real and of generated pictures.

    A discriminator that cannot tell them apart judges 0.5 of both, and its loss is 0.25.

    Parameters
    ----------
    real, generated : (B, 3, S, S)
        Without gradients.
    """
    of_real, of_generated = judge(torch.cat([real, generated])).chunk(2)
    loss = 0.5 * (adversarial(of_real, REAL) + adversarial(of_generated, GENERATED))
    return loss, of_real.detach().float().mean(), of_generated.detach().float().mean()


def _difference(made: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    return functional.l1_loss(made.float(), wanted)
