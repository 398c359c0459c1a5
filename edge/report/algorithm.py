"""Which algorithm said it: name, version, model hash, thresholds, software (TID 4019); the same in every object."""

from __future__ import annotations

from dataclasses import dataclass

from edge.report.device import DeviceId
from edge.types import Analysis


@dataclass(frozen=True, slots=True)
class Algorithm:
    """Name, version, and parameters as name and value."""

    name: str
    version: str
    parameters: tuple[tuple[str, str], ...]

    @property
    def told(self) -> str:
        """The parameters in one line."""
        return "; ".join(f"{name} {value}" for name, value in self.parameters)


def algorithm(analysis: Analysis, device: DeviceId) -> Algorithm:
    """The algorithm of an analysis; the software itself when the analysis names no model."""
    model, software = analysis.model, ("software", device.software_version)
    if model is None:
        return Algorithm("calcedge", device.software_version, (("model", "not stated"),))
    thresholds = {
        "possible threshold": model.possible_threshold,
        "definite threshold": model.definite_threshold,
    }
    stated = ((name, f"{value:.6g}") for name, value in thresholds.items() if value is not None)
    return Algorithm(model.name, model.version, (("model sha256", model.sha256), *stated, software))
