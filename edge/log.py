"""Logs are events with identifiers, one JSON object a line on standard error. No patient data, ever.

Call `structlog.get_logger()` anywhere; `configure` is called once by each process.
"""

from __future__ import annotations

import logging
import sys

import structlog


def configure(service: str, *, verbose: bool = False) -> None:
    """Sends structured events of this process to standard error, marked with the service's name."""
    level = logging.DEBUG if verbose else logging.INFO
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s %(levelname)s %(message)s")
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
