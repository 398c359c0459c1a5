"""Hard negatives: where the network, as it stands, is sure of a lesion and there is none."""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from torch import nn

from models.training.samples import CALCIFICATION, IGNORE, LesionSample


@torch.no_grad()
def hard_negatives(
    net: nn.Module, samples: list[LesionSample], *, above: float = 0.3, per_sample: int = 12, most: int = 200
) -> list[tuple[int, int, int]]:
    """(sample, row, column) of the strongest false marks in `most` samples, evenly taken. Leaves the net training."""
    net.eval()
    places: list[tuple[int, int, int]] = []
    for index in range(0, len(samples), max(1, len(samples) // most)):
        sample = samples[index]
        image = torch.from_numpy(sample.image.astype(np.float32))[None, None]
        probability = torch.sigmoid(net(image.contiguous(memory_format=torch.channels_last)))[0, 3].numpy()
        near = ndimage.binary_dilation((sample.label & (CALCIFICATION | IGNORE)) > 0, iterations=4)
        false = np.where(near, 0, probability)
        peaks = (false == ndimage.maximum_filter(false, 9)) & (false > above)
        ys, xs = np.nonzero(peaks)
        order = np.argsort(-false[ys, xs])[:per_sample]
        places += [(index, int(2 * ys[k]), int(2 * xs[k])) for k in order]
    net.train()
    return places
