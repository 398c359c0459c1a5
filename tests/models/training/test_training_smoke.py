"""Training runs, resumes where it stopped, and what is exported answers as torch does. Needs `.venv-train`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from numpy.typing import NDArray

from models.training.bodies import Bodies
from models.training.samples import CALCIFICATION, LESION_PITCH_MM, anatomy_samples, lesion_samples

pytestmark = pytest.mark.training

SETTINGS: dict[str, Any] = {
    "seed": 1,
    "iterations": 2,
    "learning_rate": 1e-3,
    "weight_decay": 1e-4,
    "average": 0.9,
    "threads": 1,
    "checkpoint_every": 1,
    "bfloat16": False,
}


def test_lesions_train_two_steps_export_and_agree(tmp_path: Path) -> None:
    import torch

    from models.training.data import LesionBatches
    from models.training.export import export_lesions
    from models.training.loop import train_lesions

    samples = lesion_samples(3, 1)
    net = train_lesions(
        LesionBatches(samples, 128, 2, 1, Bodies(8, 1)), SETTINGS | {"mine_at": [0.5]}, tmp_path / "run"
    )
    export_lesions(tmp_path / "run" / "average.pt", tmp_path / "lesions.onnx", {"name": "smoke"}, SETTINGS)
    image = np.random.default_rng(1).random((96, 64)).astype(np.float32)
    (planes,) = _answers(tmp_path / "lesions.onnx", image)
    with torch.no_grad():
        expected = torch.sigmoid(net(torch.from_numpy(image)[None, None]))[0].numpy()
    np.testing.assert_allclose(planes, expected, atol=1e-5)


def test_a_wider_lesion_network_starts_from_a_narrower_one(tmp_path: Path) -> None:
    import torch

    from models.training.data import LesionBatches
    from models.training.export import export_lesions
    from models.training.loop import train_lesions

    batches = LesionBatches(lesion_samples(3, 1), 128, 2, 1, Bodies(8, 1))
    still = SETTINGS | {"iterations": 0, "widths": [16, 16, 16], "depths": [1, 1, 1]}
    narrow = train_lesions(batches, still, tmp_path / "narrow")
    torch.save(narrow.state_dict(), tmp_path / "narrow.pt")
    wider = still | {"widths": [32, 16, 16], "depths": [2, 1, 1], "start_from": str(tmp_path / "narrow.pt")}
    wide = train_lesions(batches, wider, tmp_path / "wide")
    torch.save(wide.state_dict(), tmp_path / "wide.pt")
    export_lesions(tmp_path / "wide.pt", tmp_path / "wide.onnx", {"name": "smoke"}, wider)
    image = np.random.default_rng(1).random((64, 64)).astype(np.float32)
    (planes,) = _answers(tmp_path / "wide.onnx", image)
    with torch.no_grad():
        before = torch.sigmoid(narrow(torch.from_numpy(image)[None, None]))[0].numpy()
    np.testing.assert_allclose(planes, before, atol=0.02)


def test_anatomy_trains_two_steps_exports_and_agrees(tmp_path: Path) -> None:
    import torch

    from models.training.data import AnatomyBatches
    from models.training.export import export_anatomy
    from models.training.loop import train_anatomy

    net = train_anatomy(AnatomyBatches(anatomy_samples(4, 1), 96, 2, 1), SETTINGS, tmp_path / "run")
    export_anatomy(tmp_path / "run" / "average.pt", tmp_path / "anatomy.onnx", {"name": "smoke"})
    image = np.random.default_rng(1).random((64, 96)).astype(np.float32)
    regions, keypoints = _answers(tmp_path / "anatomy.onnx", image)
    with torch.no_grad():
        logits, heat = net(torch.from_numpy(image)[None, None])
    np.testing.assert_allclose(regions, torch.softmax(logits, 1)[0].numpy(), atol=1e-5)
    np.testing.assert_allclose(keypoints, torch.sigmoid(heat)[0].numpy(), atol=1e-5)


def test_a_stopped_run_ends_as_one_that_was_not_stopped(tmp_path: Path) -> None:
    import torch

    from models.training.data import LesionBatches
    from models.training.loop import train_lesions

    samples = lesion_samples(3, 1)

    def run(folder: Path, stop_after: int | None) -> Any:
        if stop_after:
            torch.manual_seed(1)
            partial = LesionBatches(samples, 64, 2, 1, Bodies(8, 1))
            with pytest.raises(KeyboardInterrupt):
                train_lesions(_Stops(partial, stop_after), SETTINGS | {"iterations": 4}, folder)  # type: ignore[arg-type]
        return train_lesions(LesionBatches(samples, 64, 2, 1, Bodies(8, 1)), SETTINGS | {"iterations": 4}, folder)

    whole, resumed = run(tmp_path / "whole", None), run(tmp_path / "resumed", 2)
    for (name, one), (_, two) in zip(whole.state_dict().items(), resumed.state_dict().items(), strict=True):
        assert torch.equal(one, two), name


def _answers(path: Path, image: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return [out[0] for out in session.run(None, {"image": image[None, None]})]


class _Stops:
    """Batches until the plug is pulled."""

    def __init__(self, batches: Any, after: int) -> None:
        self._batches, self._after, self.mined = batches, after, batches.mined
        self.samples = batches.samples

    def __call__(self, iteration: int) -> Any:
        if iteration > self._after:
            raise KeyboardInterrupt
        return self._batches(iteration)


def test_a_batch_depends_on_seed_and_iteration_alone() -> None:
    from models.training.data import LesionBatches

    samples = lesion_samples(3, 1)
    one, two = (LesionBatches(samples, 64, 4, 9, Bodies(8, 1)) for _ in range(2))
    one(0)
    for got, expected in zip(one(5), two(5), strict=True):
        assert np.array_equal(got, expected)


def test_samples_are_on_the_networks_grid() -> None:
    for sample in lesion_samples(6, 1):
        rows, columns = sample.image.shape
        assert rows % 32 == columns % 32 == 0
        assert sample.label.shape == (rows // 2, columns // 2)
        for kind, row, column in sample.places:
            assert 0 <= row < rows
            assert 0 <= column < columns
            if kind == 0:
                near = sample.label[max(0, row // 2 - 12) : row // 2 + 12, max(0, column // 2 - 12) : column // 2 + 12]
                assert (near & CALCIFICATION).any()
    assert pytest.approx(0.2) == LESION_PITCH_MM
