"""A network made wider answers as it did before, and can learn from there."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from models.training.nets import Trunk
from models.training.widen import widened

pytestmark = pytest.mark.training


def _net(widths: tuple[int, ...], depths: tuple[int, ...]) -> nn.Module:
    return nn.Sequential(Trunk(widths, depths), nn.Conv2d(widths[0], 2, 1)).eval()


@pytest.fixture
def narrow() -> nn.Module:
    torch.manual_seed(3)
    net = _net((16, 32, 48), (1, 1, 2))
    net.train()
    for _ in range(3):  # so that the statistics of its batches aren't those of a fresh one
        net(torch.randn(4, 1, 32, 32))
    return net.eval()


@torch.no_grad()
def test_the_wider_one_answers_as_the_narrower_did(narrow: nn.Module) -> None:
    wide = _net((32, 64, 48), (2, 1, 3))
    wide.load_state_dict(widened(wide, narrow.state_dict(), seed=1, noise=0.0))
    picture = torch.randn(1, 1, 64, 64)
    assert torch.allclose(wide(picture), narrow(picture), atol=1e-4)


@torch.no_grad()
def test_noise_lets_copies_differ_and_changes_little(narrow: nn.Module) -> None:
    wide = _net((32, 64, 48), (2, 1, 3))
    state = widened(wide, narrow.state_dict(), seed=1)
    wide.load_state_dict(state)
    picture = torch.randn(1, 1, 64, 64)
    before = narrow(picture)
    assert 0 < float((wide(picture) - before).abs().mean()) < 0.2 * float(before.std())
    joined = state["0.ups.0.0.weight"]
    assert not torch.equal(joined[:16], joined[16:])
