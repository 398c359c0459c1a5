"""What the page asks of the process that has the network: answered once, by the name of a check, and soon."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge.clock import SystemClock
from edge.config import Config
from edge.runtime import RunFolder
from edge.services import errands
from edge.services.errands import Asker, Errands


class Examined:
    """Stands where checks run in a process of their own: remembers what was asked."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.asked: list[tuple[str, ...]] = []

    def __call__(self, config: Config, names: Sequence[str]) -> list[dict[str, str]]:
        """An answer for each check."""
        del config
        self.asked.append(tuple(names))
        return [{"check": name, "verdict": "ok", "text": self.where, "do": "", "code": ""} for name in names]


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "run", SystemClock())


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config.model_validate({"data": tmp_path})


@contextmanager
def _with_the_network(config: Config, run: RunFolder) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=Errands(config, run).run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)


def test_what_needs_the_network_runs_where_it_is_and_the_rest_here(
    config: Config, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    examined = Examined("somewhere")
    monkeypatch.setattr(errands, "examine", examined)
    ask = Asker(run, SystemClock(), threading.Event())
    with _with_the_network(config, run):
        first = ask(config, ("serial", "dicom"))
        assert [answer["check"] for answer in first] == ["serial", "dicom"]
        assert examined.asked == [("serial",), ("dicom",)]
        ask(config, ("dicom",))
        ask(config, ())
    assert examined.asked[2] == ("dicom",)
    assert examined.asked[-1] == ("dicom",)
    assert "dicom" not in examined.asked[-2]


def test_without_the_process_the_answer_is_that_it_is_down(
    config: Config, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(errands, "_TAKEN_S", 0.5)
    (answer,) = Asker(run, SystemClock(), threading.Event())(config, ("dicom",))
    assert (answer["verdict"], answer["code"]) == ("FAIL", "process-down")


def test_only_known_checks_are_run_and_a_question_once(
    config: Config, run: RunFolder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    examined = Examined("network")
    monkeypatch.setattr(errands, "examine", examined)
    side = Errands(config, run)
    side.look()
    run.publish("network-question", 1, {"token": "a", "names": ["rm -rf", "store", "dicom"]})
    side.look()
    side.look()
    assert examined.asked == [("dicom",)]
    path = tmp_path / "run" / "network-question.json"
    body = json.loads(path.read_text(encoding="utf-8"))
    body["facts"]["token"], body["ns"] = "b", body["ns"] - 60 * 10**9
    path.write_text(json.dumps(body), encoding="utf-8")
    side.look()
    assert len(examined.asked) == 1  # nobody waits for the answer any more
