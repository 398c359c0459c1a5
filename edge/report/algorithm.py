"""Which algorithm said it: name, version, model hash, thresholds, software (TID 4019); the same in every object.

Where the site has moved the thresholds, that is said, with the release's own beside those that were used.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edge.report.device import DeviceId
from edge.types import Analysis, ModelId


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
    return Algorithm(model.name, model.version, (("model sha256", model.sha256), *_thresholds(model), software))


def _thresholds(model: ModelId) -> Iterator[tuple[str, str]]:
    used = {"possible threshold": model.possible_threshold, "definite threshold": model.definite_threshold}
    yield from ((name, f"{value:.6g}") for name, value in used.items() if value is not None)
    if model.moved_from:
        yield "thresholds", "set by the site"
        yield "release's own possible threshold", f"{model.moved_from.possible:.6g}"
        yield "release's own definite threshold", f"{model.moved_from.definite:.6g}"
