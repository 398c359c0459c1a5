"""The distal network and what it is punished for. Needs torch; the diet is that of `models.training.nets`."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.training.nets import Trunk


class DistalNet(nn.Module):
    """Of patches [n, 1, 256, 128]: places [n, 2, 128, 64], space [n, 1, 128, 64], signs [n, 6]; all but space logits.

    The signs see the coarsest grid whole (8 x 4 cells): how long a phalanx is, and what of it is missing, is a matter
    of where things lie.
    """

    def __init__(self) -> None:
        super().__init__()
        self.trunk = Trunk((16, 32, 64, 96, 128), (1, 2, 2, 3, 3))
        self.widen = nn.Sequential(nn.Conv2d(16, 48, 1, bias=False), nn.BatchNorm2d(48), nn.ReLU(inplace=True))
        self.places = nn.Conv2d(48, 2, 1)
        self.space = nn.Conv2d(48, 1, 1)
        self.signs = nn.Sequential(
            nn.Conv2d(128, 32, 1, bias=False),
            nn.BatchNorm2d(32),
            nn.ReLU(inplace=True),
            nn.Conv2d(32, 64, (8, 4), bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(inplace=True),
            nn.Dropout(0.2),
            nn.Conv2d(64, 6, 1),
        )
        nn.init.constant_(self.places.bias, -4.0)
        nn.init.constant_(self.space.bias, 1.2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See the class."""
        skips = self.trunk.encoded(x)
        features = self.widen(self.trunk.decoded(skips))
        return self.places(features), self.space(features), self.signs(skips[-1])[:, :, 0, 0]


class DistalAnswers(nn.Module):
    """What ships: probabilities, and millimetres; signs stay [n, 6, 1, 1]."""

    def __init__(self, net: DistalNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See the class."""
        skips = self.net.trunk.encoded(image)
        features = self.net.widen(self.net.trunk.decoded(skips))
        signs = torch.sigmoid(self.net.signs(skips[-1]))
        return torch.sigmoid(self.net.places(features)), self.net.space(features), signs


@dataclass(frozen=True, slots=True)
class DistalTruth:
    """What is true of n patches: see `models.training.distal.DistalBatch`."""

    heat: Tensor
    space_mm: Tensor
    grade: Tensor
    ask: Tensor


def distal_loss(answer: tuple[Tensor, Tensor, Tensor], truth: DistalTruth) -> Tensor:
    """Args: logits [n, 2, h, w], millimetres [n, 1, h, w], logits [n, 6]; the truth of each patch."""
    places, space, signs = answer
    probability = torch.sigmoid(places)
    weight = (probability - truth.heat).abs().detach() + 0.005
    cross = functional.binary_cross_entropy_with_logits(places, truth.heat, reduction="none")
    bumps = (cross * weight).sum() / weight.sum().clamp(min=1.0)
    mean = functional.binary_cross_entropy_with_logits(places, truth.heat, reduction="sum") / truth.heat.sum()
    measured = ~truth.space_mm.isnan()
    near = truth.heat[:, :1] * measured[:, None, None, None]
    wanted = truth.space_mm.nan_to_num()[:, None, None, None]
    millimetres = (functional.smooth_l1_loss(space, wanted.expand_as(space), reduction="none", beta=0.1) * near).sum()
    millimetres = millimetres / near.sum().clamp(min=1.0)
    at_least = (truth.grade[:, None] > torch.arange(4)[None]).float()
    judged = (truth.grade >= 0)[:, None].expand_as(at_least)
    ordinal = functional.binary_cross_entropy_with_logits(signs[:, :4], at_least, reduction="none")
    ordinal = ordinal[judged].mean() if bool(judged.any()) else signs.sum() * 0
    asked = ~truth.ask.isnan()
    able = functional.binary_cross_entropy_with_logits(signs[:, 4:][asked], truth.ask[asked])
    return bumps + 0.25 * mean + 3.0 * millimetres + 2.0 * ordinal + 0.5 * able
