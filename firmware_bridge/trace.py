"""What passed over a serial line, as a text file that people can read and programs can replay.

    # calcedge-trace 1
    # unit own
    # baud 115200
    0.000000 unit 0003010101...
    0.001204 host 0003010401...
    2.417733 note unplugged

One line for each chunk as it came: seconds since the trace began, who spoke (`unit` or `host`), the bytes in
hexadecimal. `note` lines hold words. Lines that begin with # say what the trace is of.

What always holds: a line is written whole or is the last one, and the reader leaves a torn last line out; a trace
holds nothing that was not on the line, thus no patient and no image.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, Self, TextIO, get_args

from firmware_bridge.port import Port

_MAGIC: Final = "# calcedge-trace 1"
_NS: Final = 1_000_000_000

Who = Literal["unit", "host"]


class TraceError(Exception):
    """The file is no trace; the message says where."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes that passed together, `at_s` seconds after the trace began."""

    at_s: float
    who: Who
    data: bytes


@dataclass(frozen=True, slots=True)
class Recording:
    """A trace that was read: what it is of, its chunks in order, and its notes with their moments."""

    facts: dict[str, str] = field(default_factory=dict)
    chunks: tuple[Chunk, ...] = ()
    notes: tuple[tuple[float, str], ...] = ()

    def said_by(self, who: Who) -> bytes:
        """Everything that one side said."""
        return b"".join(chunk.data for chunk in self.chunks if chunk.who == who)


class Trace:
    """Writes a trace. Every line is flushed, so that a killed process leaves what it saw."""

    def __init__(self, file: TextIO, facts: dict[str, object]) -> None:
        self._file = file
        self._began_ns = time.monotonic_ns()
        self._write(_MAGIC)
        for name, value in facts.items():
            self._write(f"# {name} {value}")

    @classmethod
    def open(cls, path: Path, **facts: object) -> Self:
        """A new trace in `path`, which is replaced.

        Raises:
            OSError: if it can't be written.
        """
        return cls(path.open("w", encoding="ascii", errors="replace"), facts)

    def to_host(self, data: bytes) -> None:
        """The unit said this."""
        self._line("unit", data.hex())

    def to_unit(self, data: bytes) -> None:
        """The host said this."""
        self._line("host", data.hex())

    def note(self, text: str) -> None:
        """Something happened beside the line."""
        self._line("note", " ".join(text.split()))

    def close(self) -> None:
        """Ends it."""
        self._file.close()

    def _line(self, kind: str, what: str) -> None:
        if what:
            self._write(f"{(time.monotonic_ns() - self._began_ns) / _NS:.6f} {kind} {what}")

    def _write(self, line: str) -> None:
        self._file.write(line + "\n")
        self._file.flush()


class TracedPort:
    """A port whose traffic goes into a trace as well."""

    def __init__(self, port: Port, trace: Trace) -> None:
        self._port = port
        self._trace = trace

    def collect(self, seconds: float) -> None:
        """As the port."""
        self._port.collect(seconds)

    def read(self) -> bytes:
        """As the port."""
        data = self._port.read()
        self._trace.to_host(data)
        return data

    def write(self, data: bytes) -> None:
        """As the port; only what it took is in the trace."""
        self._port.write(data)
        self._trace.to_unit(data)

    def close(self) -> None:
        """As the port. The trace stays open: the port may be opened again."""
        self._trace.note("port closed")
        self._port.close()


def traced(open_port: Callable[[str], Port], trace: Trace) -> Callable[[str], Port]:
    """Opens ports as `open_port` does, and records what passes over them."""

    def open_and_record(path: str) -> Port:
        port = open_port(path)
        trace.note("port opened")
        return TracedPort(port, trace)

    return open_and_record


def read(path: Path) -> Recording:
    """Reads a trace.

    Raises:
        TraceError: if it is none.
        OSError: if it can't be read.
    """
    lines = path.read_text(encoding="ascii", errors="replace").split("\n")
    if lines[0] != _MAGIC:
        raise TraceError(f"{path.name}: does not begin with {_MAGIC!r}")
    facts: dict[str, str] = {}
    chunks: list[Chunk] = []
    notes: list[tuple[float, str]] = []
    for number, line in _whole(lines[1:]):
        try:
            if line.startswith("# "):
                name, _, value = _printable(line[2:]).partition(" ")
                facts[name] = value
                continue
            at, kind, what = line.split(" ", 2)
            if kind == "note":
                notes.append((float(at), _printable(what)))
            else:
                chunks.append(Chunk(float(at), _WHO[kind], bytes.fromhex(what)))
        except (KeyError, ValueError):
            raise TraceError(f"{path.name}: line {number} is not `seconds who bytes`: {line[:60]!r}") from None
    return Recording(facts, tuple(chunks), tuple(notes))


def _printable(text: str) -> str:
    """A trace may come from anybody and is shown on terminals: nothing in it moves a cursor."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _whole(lines: list[str]) -> Iterator[tuple[int, str]]:
    """The lines that end, with their numbers in the file; what follows the last line break is torn or empty."""
    return ((number, line) for number, line in enumerate(lines[:-1], start=2) if line)


_WHO: Final[dict[str, Who]] = {who: who for who in get_args(Who)}
