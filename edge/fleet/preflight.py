"""Tests a release before it is ever started: with its own code, its golden images, and bounds on time and memory.

The running application is not touched. A release that fails here is bad; the last good one never stopped.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import structlog

from edge.errors import UpdateError
from edge.fleet.attempt import Ended, attempt
from edge.fleet.installed import Application

SECONDS: Final = 300.0
_CODES: Final = {"failed": "preflight-failed", "crashed": "preflight-crashed", "hung": "preflight-hung"}

log = structlog.get_logger()


def preflight_application(
    application: Application, arguments: tuple[str, ...], *, seconds: float = SECONDS
) -> UpdateError | None:
    """Runs the new application's self-test on the model that runs now, and its updater's."""
    for command in ("probe", "proof"):
        ended = attempt(
            application.command("update", command, *arguments),
            application.environment(),
            seconds=seconds,
            memory_mb=application.memory_mb,
        )
        if ended.why:
            return _told(application.release, ended)
    return None


def preflight_model(
    application: Application,
    release: str,
    bundle: Path,
    arguments: tuple[str, ...],
    *,
    memory_mb: int,
    seconds: float = SECONDS,
) -> UpdateError | None:
    """Runs the running application's self-test on the new model: its golden images must give its golden results."""
    ended = attempt(
        application.command("update", "probe", "--bundle", str(bundle), *arguments),
        application.environment(),
        seconds=seconds,
        memory_mb=memory_mb,
    )
    return _told(release, ended) if ended.why else None


def _told(release: str, ended: Ended) -> UpdateError:
    log.error("preflight failed", release=release, how=ended.why, said=ended.said[-500:])
    return UpdateError(_CODES[ended.why])
