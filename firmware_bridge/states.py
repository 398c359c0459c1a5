"""The life of a session as one table, and that of a listener as another: what each input does in each state.

`SENDS` names what puts bytes on the line. What always holds: no line of `LISTENING` has any of them.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final


class State(Enum):
    """Where the session is."""

    CLOSED = auto()
    """No port."""
    GREETING = auto()
    """The port is open; the unit has not said who it is."""
    UP = auto()
    DEGRADED = auto()
    """Silent for longer than a heartbeat should take."""


class Input(Enum):
    """What can happen to it."""

    OPENED = auto()
    """The port is open."""
    LOST = auto()
    """The port failed or could not be opened."""
    HELLO = auto()
    """The unit named itself and speaks our version."""
    REFUSED = auto()
    """The unit named itself and doesn't speak our version."""
    FRAME = auto()
    """A good frame of the unit's present session."""
    FOREIGN = auto()
    """A good frame of another session: the unit restarted, or we did."""
    LATE = auto()
    """Nothing good came for a while (given again at each tick)."""
    SILENT = auto()
    """Nothing good came for so long that the port is not trusted any more."""


class Do(Enum):
    """What the session does about it."""

    NOTHING = auto()
    GREET = auto()
    """Ask the unit who it is."""
    WELCOME = auto()
    """Take its HELLO: ask for its time, acknowledge."""
    REFUSE = auto()
    """Note that it can't be understood."""
    LISTEN = auto()
    """Take the message in."""
    FOREIGN = auto()
    """Count it and ask who is speaking."""
    FALL_SILENT = auto()
    """Note that the unit is silent."""
    GIVE_UP = auto()
    """Have the port closed and opened again."""
    MEET = auto()
    """Note who is speaking, and say nothing."""
    OVERHEAR = auto()
    """Take the message in, and confirm nothing."""


SENDS: Final = frozenset({Do.GREET, Do.WELCOME, Do.LISTEN, Do.FOREIGN})
"""What a listener may not do."""


# fmt: off
TABLE: Final[dict[tuple[State, Input], tuple[Do, State]]] = {
    (State.CLOSED,   Input.OPENED):  (Do.GREET,       State.GREETING),
    (State.CLOSED,   Input.LOST):    (Do.NOTHING,     State.CLOSED),
    (State.CLOSED,   Input.HELLO):   (Do.NOTHING,     State.CLOSED),
    (State.CLOSED,   Input.REFUSED): (Do.NOTHING,     State.CLOSED),
    (State.CLOSED,   Input.FRAME):   (Do.NOTHING,     State.CLOSED),
    (State.CLOSED,   Input.FOREIGN): (Do.NOTHING,     State.CLOSED),
    (State.CLOSED,   Input.LATE):    (Do.NOTHING,     State.CLOSED),
    (State.CLOSED,   Input.SILENT):  (Do.NOTHING,     State.CLOSED),
    (State.GREETING, Input.OPENED):  (Do.GREET,       State.GREETING),
    (State.GREETING, Input.LOST):    (Do.NOTHING,     State.CLOSED),
    (State.GREETING, Input.HELLO):   (Do.WELCOME,     State.UP),
    (State.GREETING, Input.REFUSED): (Do.REFUSE,      State.GREETING),
    (State.GREETING, Input.FRAME):   (Do.FOREIGN,     State.GREETING),
    (State.GREETING, Input.FOREIGN): (Do.FOREIGN,     State.GREETING),
    (State.GREETING, Input.LATE):    (Do.NOTHING,     State.GREETING),
    (State.GREETING, Input.SILENT):  (Do.GIVE_UP,     State.CLOSED),
    (State.UP,       Input.OPENED):  (Do.GREET,       State.GREETING),
    (State.UP,       Input.LOST):    (Do.NOTHING,     State.CLOSED),
    (State.UP,       Input.HELLO):   (Do.WELCOME,     State.UP),
    (State.UP,       Input.REFUSED): (Do.REFUSE,      State.GREETING),
    (State.UP,       Input.FRAME):   (Do.LISTEN,      State.UP),
    (State.UP,       Input.FOREIGN): (Do.FOREIGN,     State.GREETING),
    (State.UP,       Input.LATE):    (Do.FALL_SILENT, State.DEGRADED),
    (State.UP,       Input.SILENT):  (Do.GIVE_UP,     State.CLOSED),
    (State.DEGRADED, Input.OPENED):  (Do.GREET,       State.GREETING),
    (State.DEGRADED, Input.LOST):    (Do.NOTHING,     State.CLOSED),
    (State.DEGRADED, Input.HELLO):   (Do.WELCOME,     State.UP),
    (State.DEGRADED, Input.REFUSED): (Do.REFUSE,      State.GREETING),
    (State.DEGRADED, Input.FRAME):   (Do.LISTEN,      State.UP),
    (State.DEGRADED, Input.FOREIGN): (Do.FOREIGN,     State.GREETING),
    (State.DEGRADED, Input.LATE):    (Do.NOTHING,     State.DEGRADED),
    (State.DEGRADED, Input.SILENT):  (Do.GIVE_UP,     State.CLOSED),
}
"""Complete: a test walks it."""

LISTENING: Final[dict[tuple[State, Input], tuple[Do, State]]] = {
    (State.CLOSED,   Input.OPENED):  (Do.NOTHING,     State.GREETING),
    (State.CLOSED,   Input.LOST):    (Do.NOTHING,     State.CLOSED),
    (State.CLOSED,   Input.HELLO):   (Do.NOTHING,     State.CLOSED),
    (State.CLOSED,   Input.REFUSED): (Do.NOTHING,     State.CLOSED),
    (State.CLOSED,   Input.FRAME):   (Do.NOTHING,     State.CLOSED),
    (State.CLOSED,   Input.FOREIGN): (Do.NOTHING,     State.CLOSED),
    (State.CLOSED,   Input.LATE):    (Do.NOTHING,     State.CLOSED),
    (State.CLOSED,   Input.SILENT):  (Do.NOTHING,     State.CLOSED),
    (State.GREETING, Input.OPENED):  (Do.NOTHING,     State.GREETING),
    (State.GREETING, Input.LOST):    (Do.NOTHING,     State.CLOSED),
    (State.GREETING, Input.HELLO):   (Do.MEET,        State.UP),
    (State.GREETING, Input.REFUSED): (Do.REFUSE,      State.GREETING),
    (State.GREETING, Input.FRAME):   (Do.OVERHEAR,    State.UP),
    (State.GREETING, Input.FOREIGN): (Do.OVERHEAR,    State.UP),
    (State.GREETING, Input.LATE):    (Do.NOTHING,     State.GREETING),
    (State.GREETING, Input.SILENT):  (Do.GIVE_UP,     State.CLOSED),
    (State.UP,       Input.OPENED):  (Do.NOTHING,     State.GREETING),
    (State.UP,       Input.LOST):    (Do.NOTHING,     State.CLOSED),
    (State.UP,       Input.HELLO):   (Do.MEET,        State.UP),
    (State.UP,       Input.REFUSED): (Do.REFUSE,      State.GREETING),
    (State.UP,       Input.FRAME):   (Do.OVERHEAR,    State.UP),
    (State.UP,       Input.FOREIGN): (Do.OVERHEAR,    State.UP),
    (State.UP,       Input.LATE):    (Do.FALL_SILENT, State.DEGRADED),
    (State.UP,       Input.SILENT):  (Do.GIVE_UP,     State.CLOSED),
    (State.DEGRADED, Input.OPENED):  (Do.NOTHING,     State.GREETING),
    (State.DEGRADED, Input.LOST):    (Do.NOTHING,     State.CLOSED),
    (State.DEGRADED, Input.HELLO):   (Do.MEET,        State.UP),
    (State.DEGRADED, Input.REFUSED): (Do.REFUSE,      State.GREETING),
    (State.DEGRADED, Input.FRAME):   (Do.OVERHEAR,    State.UP),
    (State.DEGRADED, Input.FOREIGN): (Do.OVERHEAR,    State.UP),
    (State.DEGRADED, Input.LATE):    (Do.NOTHING,     State.DEGRADED),
    (State.DEGRADED, Input.SILENT):  (Do.GIVE_UP,     State.CLOSED),
}
"""Complete as well. A listener meets units in the middle of a session, so a foreign frame is simply heard."""
# fmt: on
