"""What must hold before what runs is changed: the launcher is there, no exam, the window, the battery."""

from __future__ import annotations

from typing import Final

from edge.clock import Clock
from edge.config import Config
from edge.errors import UpdateError
from edge.fleet import idle
from edge.fleet.documents import Rule
from edge.fleet.keeper import PULSE
from edge.fleet.targeting import in_window
from edge.runtime import RunFolder

_FRESH_S: Final = 10.0


def require(config: Config, clock: Clock, rule: Rule) -> None:
    """Returns if now is the moment.

    Raises:
        UpdateError: `update-no-launcher` or `update-waiting`, with what is waited for.
    """
    launcher = RunFolder(config.run_folder, clock).read(PULSE)
    if launcher is None or launcher.age_s is None or launcher.age_s > _FRESH_S:
        raise UpdateError("update-no-launcher")
    if why := idle.busy(config, clock, rule.idle_s):
        raise UpdateError("update-waiting", why)
    if not in_window(rule.window, clock.now().utc.astimezone()):
        raise UpdateError("update-waiting", f"the hours {rule.window}")
    charge = idle.battery_percent()
    if charge is not None and charge < rule.least_battery_percent:
        raise UpdateError("update-waiting", f"battery {charge} %")
