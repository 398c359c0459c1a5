"""The self-test in a process of its own: `python -m edge.services.selftest CHECK... < configuration.json`.

The page asks for it; the models it loads and the networks it tries stay out of the page's process.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from edge.config import Config
from edge.errors import REASONS, CalcedgeError
from edge.services.parent import child_environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LONGEST_S: Final = 120.0


def examine(config: Config, names: Sequence[str]) -> list[dict[str, str]]:
    """The answers of the checks named (all, when none is): check, verdict, text, do, and code where there is one."""
    command = [sys.executable, "-m", "edge.services.selftest", *names]
    try:
        done = subprocess.run(
            command, input=config.model_dump_json().encode(), capture_output=True, timeout=LONGEST_S, check=False,
            env=child_environment(),
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return [{"check": "self-test", "verdict": "FAIL", "text": "", "do": "", "code": "deadline"}]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith(b"{")]


def main(names: Sequence[str]) -> int:
    """The process's side."""
    from edge.health.checks import CHECKS, Answer, Verdict  # noqa: PLC0415 - heavy, and the parent never needs it

    def answers() -> Iterator[Answer]:
        for name in names or CHECKS:
            try:
                yield from CHECKS[name](config)
            except CalcedgeError as error:
                yield Answer(name, Verdict.FAIL, error.reason.text, error.reason.do)

    config = Config.model_validate_json(sys.stdin.read())
    for answer in answers():
        print(json.dumps(asdict(answer) | {"code": _code(answer.text)}), flush=True)  # noqa: T201 - the answer
    return 0


def _code(text: str) -> str:
    """The code whose sentence begins an answer, so that the page can say it in its own language."""
    return next((code for code, reason in REASONS.items() if text.startswith(reason.text)), "")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
