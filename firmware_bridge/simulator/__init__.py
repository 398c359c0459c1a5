"""Simulated X-ray units: behaviour, scenarios, faults, a pseudo-terminal, a control socket, and exposures' images."""

from firmware_bridge.simulator.bench import Bench, UnitOptions
from firmware_bridge.simulator.images import Destination
from firmware_bridge.simulator.models import MODELS
from firmware_bridge.simulator.run import run_unit
from firmware_bridge.simulator.scenario import Scenario, ScenarioError, load, series

__all__ = ["MODELS", "Bench", "Destination", "Scenario", "ScenarioError", "UnitOptions", "load", "run_unit", "series"]
