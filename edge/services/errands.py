"""What the page asks of the process that has the network: to try the peers. A question and an answer in the run folder.

Under systemd the page has no network of its own, so that whoever breaks into it reaches nobody. It names checks, never
addresses: where the peers are, the process with the network reads from its own configuration.
"""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING, Any, Final

import structlog

from edge.services.selftest import LONGEST_S, examine

if TYPE_CHECKING:
    import threading
    from collections.abc import Sequence

    from edge.clock import Clock
    from edge.config import Config
    from edge.runtime import RunFolder

ERRANDS: Final = ("dicom",)
"""The checks that need the network."""
_ASKED: Final = "network-question"
_ANSWERED: Final = "network-answer"
_LOOK_S: Final = 0.25
_TAKEN_S: Final = 5.0
"""Who has the network says so within this time, or isn't there. A question that is older is not taken up."""

log = structlog.get_logger()


class Errands:
    """The side that has the network: one errand at a time."""

    def __init__(self, config: Config, run: RunFolder) -> None:
        self._config = config
        self._run = run
        self._done = ""

    def run(self, stop: threading.Event) -> None:
        """Answers until `stop` is set."""
        while not stop.wait(_LOOK_S):
            self.look()

    def look(self) -> None:
        """Answers the newest question, once."""
        asked = self._run.read(_ASKED)
        if asked is None or asked.age_s is None or asked.age_s > _TAKEN_S or asked.facts.get("token") == self._done:
            return
        self._done = str(asked.facts.get("token"))
        self._say(None)
        names = [name for name in ERRANDS if name in asked.facts.get("names", ())]
        log.info("network-errand", names=names)
        self._say(examine(self._config, names) if names else [])

    def _say(self, answers: list[dict[str, str]] | None) -> None:
        self._run.publish(_ANSWERED, os.getpid(), {"token": self._done, "answers": answers})


class Asker:
    """The page's side: runs checks here, and those that need the network where it is."""

    def __init__(self, run: RunFolder, clock: Clock, stop: threading.Event) -> None:
        self._run = run
        self._clock = clock
        self._stop = stop

    def __call__(self, config: Config, names: Sequence[str]) -> list[dict[str, str]]:
        """The answers of the checks named (all, when none is), as `edge.services.selftest.examine` gives them."""
        from edge.health.checks import CHECKS  # noqa: PLC0415 - heavy, and seldom needed

        wanted = list(names or CHECKS)
        here = [name for name in wanted if name not in ERRANDS]
        there = [name for name in wanted if name in ERRANDS]
        return [*(examine(config, here) if here else ()), *(self._sent(there) if there else ())]

    def _sent(self, names: Sequence[str]) -> list[dict[str, str]]:
        token = secrets.token_hex(8)
        self._run.publish(_ASKED, os.getpid(), {"token": token, "names": list(names)})
        start_s = self._clock.monotonic_s()
        taken = False
        while not self._stop.wait(_LOOK_S):
            answer = self._run.read(_ANSWERED)
            facts: dict[str, Any] = dict(answer.facts) if answer else {}
            taken = facts.get("token") == token
            if taken and facts["answers"] is not None:
                return list(facts["answers"])
            if self._clock.monotonic_s() - start_s > (LONGEST_S + _TAKEN_S if taken else _TAKEN_S):
                break
        return [{"check": names[0], "verdict": "FAIL", "text": "", "do": "", "code": "process-down"}]
