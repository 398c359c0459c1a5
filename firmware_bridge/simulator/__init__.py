"""A simulated X-ray unit: behaviour, scenarios, faults, a pseudo-terminal, and the images of its exposures."""

from firmware_bridge.simulator.images import Destination
from firmware_bridge.simulator.run import Bench, UnitOptions, run_unit
from firmware_bridge.simulator.scenario import Scenario, ScenarioError, load, series

__all__ = ["Bench", "Destination", "Scenario", "ScenarioError", "UnitOptions", "load", "run_unit", "series"]
