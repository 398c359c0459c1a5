"""Ten thousand boxes over a real Mosquitto: a release that fails on 2 % and silences 1 % halts before 5 % have it."""

from __future__ import annotations

import asyncio
import random
import resource
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge.clock import SystemClock
from edge.fleet.admin.collect import BrokerSource
from edge.fleet.admin.conductor import Conductor, Terms
from edge.fleet.admin.console import Console
from edge.fleet.admin.ledger import Ledger
from edge.fleet.admin.plan import Plan, Stage, Tally, Verdict, judge
from edge.fleet.admin.repository import FleetRepository
from edge.fleet.documents import Channel, dump
from edge.fleet.fetcher import Tls
from edge.fleet.slots import Kind
from tests.fleet.crowd import FLEET, Crowd, CrowdBox
from tests.fleet.releases import manifest


def plan(poll_s: float) -> Plan:
    """The usual stages, with days made of polls: each stage soaks three, two missed ones are silence."""
    stages = tuple(Stage(percent=percent, soak_s=3 * poll_s) for percent in (1, 5, 25, 100))
    return Plan(stages=stages, silence_s=2 * poll_s)


PLAN = plan(15.0)


@contextmanager
def mosquitto(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A real broker; its own, on its own port."""
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n")
    process = subprocess.Popen(["mosquitto", "-c", str(config)], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


class Admin:
    """The admin's side, real: repository, ledger, conductor, a connection to the broker."""

    def __init__(self, folder: Path, port: int) -> None:
        clock = SystemClock()
        self.repository = FleetRepository.create(folder / "admin", clock)
        content = b"model"
        self.repository.add_blob(content)
        made = manifest(Kind.MODEL, "m1", {"a.onnx": content})
        self.repository.propose("releases", "releases/model/m1.json", dump(made))
        for signer in self.repository.keys.signers("releases"):
            self.repository.sign("releases", signer)
        self.console = Console(self.repository, FLEET)
        self.ledger = Ledger(folder / "ledger.sqlite", clock)
        self.conductor = Conductor(self.console, self.ledger)
        self.source = BrokerSource(f"mqtt://127.0.0.1:{port}", FLEET, Tls())
        self.channel = Channel()

    def turn(self) -> None:
        while messages := self.source.take():
            self.ledger.record(messages)
        self.conductor.step()
        self.channel = self.console.current().channels.get(Kind.MODEL, Channel())

    def close(self) -> None:
        self.source.close()
        self.ledger.close()


async def scene(
    admin: Admin, crowd: Crowd, count: int, folder: Path, broker: subprocess.Popen[bytes], seconds: float
) -> float:
    """The boxes come, the release spreads until it halts; then the broker is restarted. Peak by mean of attempts."""
    boxes = [CrowdBox(crowd, number) for number in range(count)]
    tasks = [asyncio.create_task(box.connection()) for box in boxes]
    end = time.monotonic() + seconds
    while admin.ledger.size() < count * 0.98 and time.monotonic() < end:
        await asyncio.sleep(0.5)
        await asyncio.to_thread(admin.turn)
    print(f"{admin.ledger.size()} boxes known, {crowd.connected} connected")
    tasks += [asyncio.create_task(box.polls()) for box in boxes]
    admin.conductor.promote(Kind.MODEL, "m1", plan(crowd.poll_s), Terms())
    while not admin.ledger.spreads("halted") and time.monotonic() < end:
        await asyncio.sleep(0.5)
        await asyncio.to_thread(admin.turn)
    await asyncio.sleep(crowd.poll_s + 5)  # whoever could still begin would have
    crowd.attempts.clear()
    broker.kill()
    broker.wait()
    await asyncio.sleep(1.0)
    with mosquitto(folder, crowd.port):
        until = time.monotonic() + 300
        while crowd.connected < count * 0.99 and time.monotonic() < until:  # noqa: ASYNC110 - ten thousand events
            await asyncio.sleep(0.5)
        back = crowd.connected
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert back >= count * 0.99, f"{back} came back"
    first = min(crowd.attempts)
    seconds_ = [crowd.attempts[first + second] for second in range(30)]
    return max(seconds_) / (sum(seconds_) / len(seconds_))


def play(folder: Path, port: int, count: int, seconds: float, *, poll_s: float = 15.0) -> tuple[float, float, str]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 2 * count + 1000)), hard))
    with mosquitto(folder, port) as broker:
        time.sleep(0.3)
        admin = Admin(folder, port)
        crowd = Crowd(port, lambda: admin.channel, poll_s=poll_s, failing=0.02, silent=0.01, seed=7)
        try:
            peak = asyncio.run(scene(admin, crowd, count, folder, broker, seconds))
            halted = admin.ledger.spreads("halted")
            why = halted[0].why if halted else "never halted"
        finally:
            admin.close()
    return 100 * len(crowd.have) / count, peak, why


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.needs("mosquitto")
@pytest.mark.requirement("a bad release stops by itself before it reaches many boxes")
def test_two_thousand_boxes(tmp_path: Path, free_port: Callable[[], int]) -> None:
    share, peak, why = play(tmp_path, free_port(), 2000, 480)
    print(f"2000 boxes: halted ({why}) when {share:.2f} % had it; attempts after the restart: peak {peak:.2f} x mean")
    assert why != "never halted"
    assert share < 5
    assert peak <= 3


@pytest.mark.soak
@pytest.mark.timeout(2400)
@pytest.mark.needs("mosquitto")
def test_ten_thousand_boxes(tmp_path: Path, free_port: Callable[[], int]) -> None:
    share, peak, why = play(tmp_path, free_port(), 10_000, 900, poll_s=60.0)
    print(f"10,000 boxes: halted ({why}) when {share:.2f} % had it; attempts after the restart: peak {peak:.2f} x mean")
    assert why != "never halted"
    assert share < 5
    assert peak <= 3


def test_stages_add_up(tmp_path: Path, free_port: Callable[[], int]) -> None:
    admin = Admin(tmp_path, free_port())
    lab_first = Plan(stages=(Stage(cohort="lab"), Stage(percent=1), Stage(percent=2)))
    for number, percents in enumerate([{"lab": 100.0}, {"lab": 100.0, "*": 1.0}, {"lab": 100.0, "*": 2.0}]):
        admin.conductor._sign(Kind.MODEL, "m1", lab_first, number, Terms())
        rules = admin.console.current().channels[Kind.MODEL].rules
        assert {rule.cohort: rule.percent for rule in rules} == percents
    admin.close()


def spread(plan: Plan, seed: int, *, fleet: int, failing: float, silent: float) -> tuple[str, float]:
    """One spread by the rules alone, at its worst: all boxes of a step begin before the first of them ends."""
    luck = random.Random(seed)
    committed = failed = quiet = have = 0
    for number, step in enumerate(plan.steps):
        before, have = have, int(fleet * step.percent / 100)
        for _ in range(before, have):
            draw = luck.random()
            failed += draw < failing
            quiet += failing <= draw < failing + silent
            committed += draw >= failing + silent
            if draw >= failing + silent:
                continue  # good news never stops a spread
            tally = Tally(have, committed, failed, quiet, fleet - have, 0)
            if judge(plan, number, 0, tally).verdict is Verdict.HALT:
                return "halted", 100 * have / fleet
        tally = Tally(have, committed, failed, quiet, fleet - have, 0)
        verdict = judge(plan, number, step.soak_s, tally).verdict
        if verdict is Verdict.HALT:
            return "halted", 100 * have / fleet
        assert verdict in (Verdict.ADVANCE, Verdict.DONE)
    return "done", 100.0


def test_the_plan_halts_early_whatever_the_draw() -> None:
    found = [spread(PLAN, seed, fleet=10_000, failing=0.02, silent=0.01) for seed in range(2000)]
    assert all(end == "halted" for end, _ in found)
    shares = sorted(share for _, share in found)
    assert shares[int(0.998 * len(shares))] < 5
    told = ", ".join(f"{share:g} %: {shares.count(share)}" for share in sorted(set(shares)))
    print(f"2000 draws, boxes that had it when the spread halted: {told}")


def test_the_plan_lets_a_good_release_through() -> None:
    found = [spread(PLAN, seed, fleet=10_000, failing=0.0005, silent=0)[0] for seed in range(200)]
    print(f"200 draws of a release that fails on 0.05 %: {found.count('done')} go through")
    assert found.count("done") > 180
