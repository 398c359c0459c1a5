"""From weights to ONNX: opset 17, dynamic sides, probabilities out, names and preprocessing in the metadata.

Fingertips come as patches of one size; there their number is dynamic.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import onnx
import torch
from torch import Tensor, nn

from edge.detector import distal
from models.training.distal_net import DistalAnswers, DistalNet
from models.training.nets import (
    AnatomyNet,
    AnatomyProbabilities,
    LesionProbabilities,
    lesion_net,
)

OPSET: Final = 17


def export_anatomy(weights: Path, target: Path, facts: dict[str, Any]) -> None:
    """Writes `anatomy.onnx` from averaged weights."""
    net = AnatomyNet()
    net.load_state_dict(torch.load(weights, weights_only=True))
    _export(AnatomyProbabilities(net), target, ["regions", "keypoints"], facts)


def export_lesions(weights: Path, target: Path, facts: dict[str, Any], settings: Mapping[str, Any]) -> None:
    """Writes `lesions.onnx` from averaged weights. `settings`: the configuration's `[lesions]`."""
    net = lesion_net(settings)
    net.load_state_dict(torch.load(weights, weights_only=True))
    _export(LesionProbabilities(net), target, ["lesions"], facts)


def export_distal(weights: Path, target: Path, facts: dict[str, Any]) -> None:
    """Writes `distal.onnx` from averaged weights: any number of patches of one size."""
    net = DistalNet()
    net.load_state_dict(torch.load(weights, weights_only=True))
    outputs = ["places", "space", "signs"]
    axes = {name: {0: "patches"} for name in ("image", *outputs)}
    example = torch.zeros(2, 1, distal.ROWS, distal.COLUMNS)
    _write(DistalAnswers(net), target, outputs, facts, axes=axes, example=example)


def _export(module: nn.Module, target: Path, outputs: list[str], facts: dict[str, Any]) -> None:
    axes = {"image": {2: "rows", 3: "columns"}} | {name: {2: "cell_rows", 3: "cell_columns"} for name in outputs}
    _write(module, target, outputs, facts, axes=axes, example=torch.zeros(1, 1, 64, 96))


def _write(
    module: nn.Module,
    target: Path,
    outputs: list[str],
    facts: dict[str, Any],
    *,
    axes: dict[str, dict[int, str]],
    example: Tensor,
) -> None:
    module.eval()
    target.parent.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        module,
        (example,),
        str(target),
        input_names=["image"],
        output_names=outputs,
        dynamic_axes=axes,
        opset_version=OPSET,
        dynamo=False,
        do_constant_folding=True,
    )
    model = onnx.load(str(target))
    onnx.helper.set_model_props(model, {name: json.dumps(value) for name, value in sorted(facts.items())})
    model.producer_name, model.producer_version = "calcedge", ""
    onnx.checker.check_model(model, full_check=True)
    target.write_bytes(model.SerializeToString())
