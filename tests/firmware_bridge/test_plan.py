"""Every plan that can be made has a driver and a port; every other combination is refused."""

from __future__ import annotations

import itertools
import os
import termios
import tty

import pytest

from firmware_bridge.link import Mode
from firmware_bridge.listen import Listener
from firmware_bridge.plan import MODES, PROFILES, Plan
from firmware_bridge.port import ListeningPort, SerialPort
from firmware_bridge.session import Session
from firmware_bridge.spellman.driver import Poller

KINDS = {Mode.SESSION: Session, Mode.LISTEN: Listener, Mode.POLL: Poller}


@pytest.mark.parametrize(("mode", "profile"), list(itertools.product(Mode, PROFILES)))
def test_every_combination(mode: Mode, profile: str) -> None:
    if profile not in MODES[mode]:
        with pytest.raises(ValueError, match="goes with profile"):
            Plan(mode, profile)
        return
    plan = Plan(mode, profile, "XU-1")
    driver = plan.driver()
    assert type(driver) is KINDS[mode]
    assert driver is not plan.driver()
    status = driver.status()
    assert (status.mode, status.profile) == (mode, profile)


@pytest.mark.parametrize(
    ("plan", "speed"),
    [
        (Plan(), termios.B115200),
        (Plan(Mode.LISTEN), termios.B115200),
        (Plan(Mode.POLL, "spellman-pmx"), termios.B19200),
        (Plan(Mode.POLL, "spellman-xrv"), termios.B9600),
        (Plan(Mode.POLL, "spellman-xrv", baud=57_600), termios.B57600),
    ],
)
def test_the_port_has_the_speed_of_the_profile_and_only_listens_where_it_shall(plan: Plan, speed: int) -> None:
    master, slave = os.openpty()
    tty.setraw(slave)
    port = plan.open_port(os.ttyname(slave))
    assert termios.tcgetattr(slave)[4:6] == [speed, speed]
    assert isinstance(port, ListeningPort if plan.mode is Mode.LISTEN else SerialPort)
    port.close()
    os.close(slave)
    os.close(master)


def test_a_scale_that_is_none_is_refused() -> None:
    for profile, scale in (("spellman-pmx", 13.06), ("spellman-pmx", 0.0), ("spellman-xrv", 0.01306)):
        with pytest.raises(ValueError, match=r"scale|last_kv_per_count"):
            Plan(Mode.POLL, profile, last_kv_per_count=scale)
    assert Plan(Mode.POLL, "spellman-pmx", last_kv_per_count=0.01306).driver().status().profile == "spellman-pmx"
