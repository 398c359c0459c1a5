"""The three networks: convolution, depthwise convolution, ReLU, Add and nearest enlargement; widths multiples of 16.

All are encoder-decoders of residual depthwise-separable blocks with additive skips and answer at stride 2. Operators
and widths were chosen by measurement on onnxruntime (NCHWc blocks of 16; see docs/model.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import torch
from torch import Tensor, nn

LESION_WIDTHS: Final = (16, 32, 64, 128, 128)
"""Channels of the lesion network's stages, the finest first, where the settings say nothing else."""
LESION_DEPTHS: Final = (1, 2, 3, 4, 3)
"""Blocks of each."""


class Block(nn.Module):
    """Depthwise 3 x 3, pointwise, added to what came in."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return torch.relu(x + self.body(x))


def _down(narrow: int, wide: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(narrow, narrow, 3, stride=2, padding=1, groups=narrow, bias=False),
        nn.BatchNorm2d(narrow),
        nn.Conv2d(narrow, wide, 1, bias=False),
        nn.BatchNorm2d(wide),
        nn.ReLU(inplace=True),
    )


class Trunk(nn.Module):
    """From [n, 1, h, w] to [n, widths[0], h / 2, w / 2]."""

    def __init__(self, widths: Sequence[int], depths: Sequence[int]) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, widths[0], 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(inplace=True),
        )
        self.stages = nn.ModuleList(
            nn.Sequential(*(Block(w) for _ in range(d))) for w, d in zip(widths, depths, strict=True)
        )
        self.downs = nn.ModuleList(_down(a, b) for a, b in pairwise(widths))
        self.ups = nn.ModuleList(
            nn.Sequential(nn.Conv2d(b, a, 1, bias=False), nn.BatchNorm2d(a)) for a, b in pairwise(widths)
        )
        self.joins = nn.ModuleList(Block(w) for w in widths[:-1])
        self.enlarge = nn.Upsample(scale_factor=2, mode="nearest")

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return self.decoded(self.encoded(x))

    def encoded(self, x: Tensor) -> list[Tensor]:
        """What each stage makes of the picture, the finest first."""
        skips = []
        x = self.stem(x)
        for index, stage in enumerate(self.stages):
            if index:
                x = self.downs[index - 1](x)
            x = stage(x)
            skips.append(x)
        return skips

    def decoded(self, skips: Sequence[Tensor]) -> Tensor:
        """The finest grid again, knowing what the coarse ones know."""
        x = skips[-1]
        for index in range(len(self.ups) - 1, -1, -1):
            x = self.joins[index](torch.relu(self.enlarge(self.ups[index](x)) + skips[index]))
        return x


class AnatomyNet(nn.Module):
    """Region logits [n, 21, h/2, w/2] and keypoint logits [n, 20, h/2, w/2]."""

    def __init__(self, regions: int = 21, keypoints: int = 20) -> None:
        super().__init__()
        self.trunk = Trunk((16, 32, 64, 128, 128), (1, 2, 3, 4, 4))
        self.widen = nn.Sequential(nn.Conv2d(16, 64, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True))
        self.regions = nn.Conv2d(64, regions, 1)
        self.keypoints = nn.Conv2d(64, keypoints, 1)
        nn.init.constant_(self.keypoints.bias, -4.0)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """See the class."""
        features = self.widen(self.trunk(x))
        return self.regions(features), self.keypoints(features)


class LesionNet(nn.Module):
    """Logits [n, 4, h/2, w/2]: calcification (its outline), sesamoid, metal, certainty (of calcification)."""

    def __init__(self, widths: Sequence[int] = LESION_WIDTHS, depths: Sequence[int] = LESION_DEPTHS) -> None:
        super().__init__()
        self.trunk = Trunk(widths, depths)
        self.widen = nn.Sequential(nn.Conv2d(widths[0], 32, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU(inplace=True))
        self.head = nn.Conv2d(32, 4, 1)
        nn.init.constant_(self.head.bias, -5.0)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        return self.head(self.widen(self.trunk(x)))


def lesion_net(settings: Mapping[str, Any]) -> LesionNet:
    """As wide and deep as the configuration's `[lesions]` says."""
    return LesionNet(settings.get("widths", LESION_WIDTHS), settings.get("depths", LESION_DEPTHS))


class AnatomyProbabilities(nn.Module):
    """What ships: probabilities instead of logits."""

    def __init__(self, net: AnatomyNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """See the class."""
        regions, keypoints = self.net(image)
        return torch.softmax(regions, dim=1), torch.sigmoid(keypoints)


class LesionProbabilities(nn.Module):
    """What ships: probabilities instead of logits."""

    def __init__(self, net: LesionNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> Tensor:
        """See the class."""
        return torch.sigmoid(self.net(image))
