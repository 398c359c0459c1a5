"""DCMTK's command line tools: a sender that shares no code with us."""

from __future__ import annotations

import subprocess
from pathlib import Path


def storescu(port: int, *paths: Path, title: str = "CALCEDGE", options: tuple[str, ...] = ()) -> int:
    """Sends files or folders in one association and returns the exit code: 0 only if every file was stored."""
    command = ["storescu", "--scan-directories", "--max-send-pdu", "131072", "--required", *options]
    command += ["--call", title, "--aetitle", "UNIT", "127.0.0.1", str(port), *map(str, paths)]
    return subprocess.run(command, capture_output=True, timeout=120, check=False).returncode


def echoscu(port: int, title: str = "CALCEDGE") -> int:
    """Asks for C-ECHO and returns the exit code."""
    command = ["echoscu", "--call", title, "127.0.0.1", str(port)]
    return subprocess.run(command, capture_output=True, timeout=30, check=False).returncode
