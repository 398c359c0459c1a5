"""A wider network that answers as a narrower one does: what was learnt is not learnt again.

Channels are repeated, and what reads them shares its weight among the copies (Chen et al., Net2Net, 2016); blocks that
the narrower one lacks begin as nothing. A little noise lets the copies grow apart.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

_NOISE = 0.02
"""Of a weight's own spread."""


def widened(net: nn.Module, narrow: Mapping[str, Tensor], *, seed: int, noise: float = _NOISE) -> dict[str, Tensor]:
    """The weights for `net` from those of a narrower one of the same make.

    Args:
        net: freshly made; any width of it is at least that of the narrower one.
        narrow: the narrower one's `state_dict`.
        seed: of the noise.
        noise: standard deviation, in parts of each tensor's own.
    """
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for name, fresh in net.state_dict().items():
        if name in narrow:
            found[name] = _repeated(narrow[name], fresh, generator, noise)
        else:
            found[name] = torch.zeros_like(fresh) if name.endswith("body.4.weight") else fresh.clone()
    return found


def _repeated(old: Tensor, fresh: Tensor, generator: torch.Generator, noise: float) -> Tensor:
    if old.dim() == 0:
        return old.clone()
    value = old[torch.arange(fresh.shape[0]) % old.shape[0]]
    if old.dim() < 2:
        return value
    reads = torch.arange(fresh.shape[1]) % old.shape[1]
    copies = torch.bincount(reads, minlength=old.shape[1])[reads].to(old.dtype)
    value = value[:, reads] / copies.reshape(1, -1, *[1] * (old.dim() - 2))
    if value.shape != old.shape:
        value = value + noise * value.std() * torch.randn(value.shape, generator=generator)
    return value
