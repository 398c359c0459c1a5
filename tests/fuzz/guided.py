"""The engine that follows coverage: atheris (libFuzzer for Python), on our modules and pydicom.

libFuzzer never returns and dies of the first bug; so it runs as a child, and what it found lies in its folder.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path


def run(name: str, inputs: int, seconds: float, seed: int, keep: Path) -> int:
    """Runs a target under atheris. 0 when nothing was found."""
    folder = (keep / name).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fuzz-corpus-") as corpus:
        environment = os.environ | {"CALCEDGE_FUZZ": json.dumps([name, corpus])}
        command = [
            sys.executable, "-m", "tests.fuzz.guided", corpus, f"-runs={inputs}", f"-max_total_time={int(seconds)}",
            f"-seed={seed}", f"-artifact_prefix={folder}/", "-timeout=25", "-rss_limit_mb=4000", "-print_final_stats=1",
            "-max_len=262144",
        ]  # fmt: skip
        done = subprocess.run(command, env=environment, check=False)
    return done.returncode


def main() -> None:
    """The child."""
    import atheris

    name, corpus = json.loads(os.environ["CALCEDGE_FUZZ"])
    with atheris.instrument_imports(include=["edge", "pydicom", "firmware_bridge"]):
        from tests.fuzz import engine, targets  # instrumented as they load
    target = targets.make(name, Path(corpus + "-work"))
    for number, seed in enumerate(target.seeds):
        (Path(corpus) / f"seed-{number}").write_bytes(seed)

    def one(data: bytes) -> None:
        code = engine.judge(target, data)
        if code.startswith("BUG"):
            raise RuntimeError(code)

    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
