"""How the bridge takes part in a link: mode, profile, and what has to be known beforehand.

    mode      profile                        port              sends
    session   own                            read and write    `messages.TO_UNIT`
    listen    own                            read only         nothing
    poll      spellman-pmx, spellman-xrv     read and write    the list of `spellman.guard`

What always holds: a plan that could be made can be carried out; every other combination is refused when it is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from firmware_bridge.driver import Driver
from firmware_bridge.link import Mode
from firmware_bridge.listen import Listener
from firmware_bridge.port import BAUD, ListeningPort, Port, SerialPort
from firmware_bridge.session import Session
from firmware_bridge.spellman.driver import Poller
from firmware_bridge.spellman.pmx import PMX, Scales
from firmware_bridge.spellman.xrv import XRV

OWN: Final = "own"
PROFILES: Final = (OWN, PMX.name, XRV.name)
MODES: Final[dict[Mode, tuple[str, ...]]] = {
    Mode.SESSION: (OWN,),
    Mode.LISTEN: (OWN,),
    Mode.POLL: (PMX.name, XRV.name),
}
_BAUDS: Final = {OWN: BAUD, PMX.name: PMX.baud, XRV.name: XRV.baud}


@dataclass(frozen=True, slots=True)
class Plan:
    """One way to take part.

    Args:
        mode: session, listen or poll.
        profile: what the other end is.
        device_id: the unit that belongs on this port. Another one is heard too, and named; a generator that can't
            say who it is is called by this name.
        baud: the line's speed, when it is not the profile's own.
        last_kv_per_count: PMX: what one count of command 60 is. None: not measured; the programmed kV is told instead.

    Raises:
        ValueError: if mode and profile don't go together, or the scale is none.
    """

    mode: Mode = Mode.SESSION
    profile: str = OWN
    device_id: str | None = None
    baud: int | None = None
    last_kv_per_count: float | None = None

    def __post_init__(self) -> None:
        if self.profile not in MODES[self.mode]:
            fit = ", ".join(MODES[self.mode])
            raise ValueError(f"mode {self.mode} goes with profile {fit}, not with {self.profile}")
        if self.last_kv_per_count is not None:
            if self.profile != PMX.name:
                raise ValueError(f"last_kv_per_count belongs to profile {PMX.name}")
            Scales(self.last_kv_per_count)

    def driver(self) -> Driver:
        """A new driver, which has heard nothing yet."""
        match self.mode:
            case Mode.SESSION:
                return Session(self.device_id)
            case Mode.LISTEN:
                return Listener(self.device_id)
            case Mode.POLL:
                return Poller(self.profile, self.device_id, self.last_kv_per_count)

    def open_port(self, path: str) -> Port:
        """Opens the port as the mode demands.

        Raises:
            PortLost: if it can't be opened.
        """
        baud = self.baud or _BAUDS[self.profile]
        return ListeningPort(path, baud) if self.mode is Mode.LISTEN else SerialPort(path, baud)
