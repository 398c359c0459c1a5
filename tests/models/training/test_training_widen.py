"""A network made wider answers as it did before, and can learn from there. Needs `.venv-train`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from torch import Tensor, nn

pytestmark = pytest.mark.training


def _net(widths: tuple[int, ...], depths: tuple[int, ...]) -> nn.Module:
    from torch import nn

    from models.training.nets import Trunk

    return nn.Sequential(Trunk(widths, depths), nn.Conv2d(widths[0], 2, 1)).eval()


def _answer(net: nn.Module, picture: Tensor) -> Tensor:
    answer: Tensor = net(picture).detach()
    return answer


@pytest.fixture
def narrow() -> nn.Module:
    import torch

    torch.manual_seed(3)
    net = _net((16, 32, 48), (1, 1, 2))
    net.train()
    for _ in range(3):  # so that the statistics of its batches aren't those of a fresh one
        net(torch.randn(4, 1, 32, 32))
    return net.eval()


def test_the_wider_one_answers_as_the_narrower_did(narrow: nn.Module) -> None:
    import torch

    from models.training.widen import widened

    wide = _net((32, 64, 48), (2, 1, 3))
    wide.load_state_dict(widened(wide, narrow.state_dict(), seed=1, noise=0.0))
    picture = torch.randn(1, 1, 64, 64)
    assert torch.allclose(_answer(wide, picture), _answer(narrow, picture), atol=1e-4)


def test_noise_lets_copies_differ_and_changes_little(narrow: nn.Module) -> None:
    import torch

    from models.training.widen import widened

    wide = _net((32, 64, 48), (2, 1, 3))
    state = widened(wide, narrow.state_dict(), seed=1)
    wide.load_state_dict(state)
    picture = torch.randn(1, 1, 64, 64)
    before = _answer(narrow, picture)
    assert 0 < float((_answer(wide, picture) - before).abs().mean()) < 0.2 * float(before.std())
    joined = state["0.ups.0.0.weight"]
    assert not torch.equal(joined[:16], joined[16:])
