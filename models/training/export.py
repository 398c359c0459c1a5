"""From weights to ONNX: opset 17, dynamic sides, probabilities out, names and preprocessing in the metadata."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import onnx
import torch
from torch import nn

from models.training.nets import AnatomyNet, AnatomyProbabilities, LesionNet, LesionProbabilities

OPSET: Final = 17


def export_anatomy(weights: Path, target: Path, facts: dict[str, Any]) -> None:
    """Writes `anatomy.onnx` from averaged weights."""
    net = AnatomyNet()
    net.load_state_dict(torch.load(weights, weights_only=True))
    _export(AnatomyProbabilities(net), target, ["regions", "keypoints"], facts)


def export_lesions(weights: Path, target: Path, facts: dict[str, Any]) -> None:
    """Writes `lesions.onnx` from averaged weights."""
    net = LesionNet()
    net.load_state_dict(torch.load(weights, weights_only=True))
    _export(LesionProbabilities(net), target, ["lesions"], facts)


def _export(module: nn.Module, target: Path, outputs: list[str], facts: dict[str, Any]) -> None:
    module.eval()
    target.parent.mkdir(parents=True, exist_ok=True)
    axes = {"image": {2: "rows", 3: "columns"}} | {name: {2: "cell_rows", 3: "cell_columns"} for name in outputs}
    torch.onnx.export(
        module,
        (torch.zeros(1, 1, 64, 96),),
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
