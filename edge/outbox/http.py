"""One HTTP service: bounded in time, with token and certificate where it wants them; failures as `DeliveryError`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import urllib3

from edge.errors import DeliveryError
from edge.network.tls import client_context

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge.config import Tls, WebService

CONNECT_S: Final = 10.0
_LONGEST_ANSWER: Final = 1 << 20


class Http:
    """Requests to one service. Used by one thread."""

    def __init__(self, settings: WebService, tls: Tls | None) -> None:
        self._settings = settings
        self._pool = urllib3.PoolManager(
            num_pools=1, maxsize=1, retries=False, ssl_context=client_context(tls) if settings.tls and tls else None,
            timeout=urllib3.Timeout(connect=min(CONNECT_S, settings.timeout_s), read=settings.timeout_s),
        )  # fmt: skip

    def ask(
        self, method: str, place: str, headers: dict[str, str], body: Iterator[bytes] | bytes | None = None
    ) -> tuple[int, bytes] | DeliveryError:
        """Status and body of the answer, or why there is none. `place` follows the service's base."""
        try:
            answer = self._pool.request(
                method, self._settings.url.rstrip("/") + place, headers=headers | self._authorization(), body=body,
                preload_content=False, redirect=False,
            )  # fmt: skip
            try:
                return answer.status, answer.read(_LONGEST_ANSWER)
            finally:
                answer.release_conn()
        except urllib3.exceptions.SSLError as error:
            return DeliveryError("destination-tls", type(error.args[0]).__name__ if error.args else "")
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return DeliveryError("destination-unreachable", type(error).__name__)

    def _authorization(self) -> dict[str, str]:
        if self._settings.token_file is None:
            return {}
        return {"Authorization": "Bearer " + self._settings.token_file.read_text(encoding="ascii").strip()}


def judge_http(status: int) -> DeliveryError:
    """What an HTTP status other than success means, when nothing more is said."""
    detail = f"HTTP {status}"
    if status in (401, 403, 404, 405, 407):
        return DeliveryError("destination-refused", detail)
    if status == 415:
        return DeliveryError("destination-no-context", detail, final=True)
    if status in (408, 429) or not 400 <= status < 500:
        return DeliveryError("destination-busy", detail)
    return DeliveryError("destination-rejected", detail, final=True)
