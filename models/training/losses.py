"""What the networks are punished for.

Lesions: cross-entropy weighted by how wrong a cell is (so that the many easy cells don't drown the few hard ones),
plus soft Dice over the batch: good outlines, but probabilities that crowd at 0 and 1. The certainty channel learns the
same cells from plain cross-entropy alone, so that it ranks marks and means what it says. Balancing per focus was tried
in earlier work and drowned the net in false marks; it isn't used.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from models.training.samples import CALCIFICATION, IGNORE, METAL, SESAMOID

_CELLS = 300.0
"""Added to a batch's lesion cells, so that a batch with few of them isn't punished out of measure."""


def lesion_loss(logits: Tensor, label: Tensor) -> Tensor:
    """Args: logits [n, 4, h, w]; label uint8 [n, h, w] of bits."""
    truth = torch.stack([(label & bit) > 0 for bit in (CALCIFICATION, SESAMOID, METAL)], dim=1).float()
    certainty, logits = logits[:, 3], logits[:, :3]
    counted = torch.ones_like(truth)
    counted[:, 0] = ((label & IGNORE) == 0).float()
    probability = torch.sigmoid(logits)
    wrong = (probability - truth).abs().detach()
    cross = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    weight = (0.05 + wrong) * counted
    focal = (cross * weight).sum(dim=(0, 2, 3)) / weight.sum(dim=(0, 2, 3)).clamp(min=1.0)
    overlap = (probability * truth * counted).sum(dim=(0, 2, 3))
    total = ((probability + truth) * counted).sum(dim=(0, 2, 3))
    present = (truth * counted).sum(dim=(0, 2, 3)) > 4
    dice = torch.where(present, 1 - (2 * overlap + 1) / (total + 1), torch.zeros_like(total))
    shares = torch.tensor([1.0, 0.5, 0.25])
    plain = functional.binary_cross_entropy_with_logits(certainty, truth[:, 0], weight=counted[:, 0], reduction="sum")
    sure = plain / (truth[:, 0].sum() + _CELLS)
    return ((focal + dice) * shares).sum() + sure


def anatomy_loss(regions: Tensor, keypoints: Tensor, label: Tensor, heat: Tensor) -> Tensor:
    """Args: logits [n, 21, h, w], [n, 20, h, w]; label int64 [n, h, w]; heat [n, 20, h, w], Gaussians of height 1."""
    areas = functional.cross_entropy(regions, label)
    probability = torch.sigmoid(keypoints)
    weight = (probability - heat).abs().detach() + 0.01
    cross = functional.binary_cross_entropy_with_logits(keypoints, heat, reduction="none")
    bumps = (cross * weight).sum() / weight.sum().clamp(min=1.0)
    mean = functional.binary_cross_entropy_with_logits(keypoints, heat, reduction="sum") / heat.sum().clamp(min=1.0)
    return areas + bumps + 0.25 * mean
