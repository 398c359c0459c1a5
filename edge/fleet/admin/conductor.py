"""Conducts the spreads: asks the plan, signs what it says. Halts and goes on by itself; never goes back by itself.

Taking a release back is a person's decision: `calcedge fleet rollback`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge.fleet.admin import console
from edge.fleet.admin.console import Console
from edge.fleet.admin.ledger import Ledger, Spread
from edge.fleet.admin.plan import Judgement, Plan, Verdict, judge, reach
from edge.fleet.documents import Channel, Rule
from edge.fleet.slots import Kind
from edge.fleet.targeting import BUCKETS, bucket


@dataclass(frozen=True, slots=True)
class Terms:
    """When a box may change what it runs."""

    window: str | None = None
    idle_s: int = 600
    least_battery_percent: int = 40


class Conductor:
    """One fleet's conductor."""

    def __init__(self, console_: Console, ledger: Ledger) -> None:
        self._console = console_
        self._ledger = ledger

    @property
    def serial(self) -> int:
        """The serial of the rollout document that is out."""
        return self._console.current().serial

    def promote(self, kind: Kind, release: str, plan: Plan, terms: Terms) -> Spread:
        """Begins a spread with its first step.

        Raises:
            UpdateError: see `Console.change`.
        """
        self._sign(kind, release, plan, 0, terms)
        return self._ledger.begin(kind, release, plan)

    def step(self) -> Sequence[tuple[Spread, Judgement]]:
        """Judges every spread under way, and acts."""
        found = []
        for spread in self._ledger.spreads("running"):
            in_stage_s = self._ledger.now_s() - spread.since_s
            tally = self._ledger.tally(spread, self._channel(spread.kind))
            judgement = judge(spread.plan, spread.step, in_stage_s, tally)
            self._act(spread, judgement)
            found.append((spread, judgement))
        return found

    def resume(self, kind: Kind) -> None:
        """Goes on after a halt, at a person's word."""
        self._console.change(kind, console.resumed)
        for spread in self._ledger.spreads("halted"):
            if spread.kind is kind:
                self._ledger.move(spread, state="running", step=spread.step, why="resumed")

    def pause(self, kind: Kind, why: str) -> None:
        """Stops at a person's word."""
        self._console.change(kind, console.paused)
        for spread in self._ledger.spreads("running"):
            if spread.kind is kind:
                self._ledger.move(spread, state="halted", step=spread.step, why=why)

    def rollback(self, kind: Kind, release: str) -> None:
        """Everybody goes to `release`; what was spreading is withdrawn."""
        self._console.change(kind, lambda channel: console.settle(channel, release, f"back-to-{release}"))
        for spread in self._ledger.spreads("running", "halted"):
            if spread.kind is kind:
                self._ledger.move(spread, state="withdrawn", step=spread.step, why=f"back to {release}")

    def _act(self, spread: Spread, judgement: Judgement) -> None:
        if judgement.verdict is Verdict.HALT:
            self._console.change(spread.kind, console.paused)
            self._ledger.move(spread, state="halted", step=spread.step, why=judgement.why)
        elif judgement.verdict is Verdict.ADVANCE:
            terms = self._terms(spread)
            self._sign(spread.kind, spread.release, spread.plan, spread.step + 1, terms)
            self._ledger.move(spread, state="running", step=spread.step + 1, why=judgement.why)
        elif judgement.verdict is Verdict.DONE:
            self._console.change(
                spread.kind, lambda channel: console.settle(channel, spread.release, f"{spread.release}-everywhere")
            )
            self._ledger.move(spread, state="done", step=spread.step, why=judgement.why)

    def _sign(self, kind: Kind, release: str, plan: Plan, number: int, terms: Terms) -> None:
        """Steps add up: a box that has it keeps it. Of two steps for one cohort the later one counts."""
        boxes = self._ledger.boxes()
        widest = {step.cohort: step for step in plan.steps[: number + 1]}

        def change(channel: Channel) -> Channel:
            before = {rule.cohort: rule.percent for rule in channel.rules if rule.release == release}
            for cohort, step in widest.items():
                places = [bucket(release, box.device) for box in boxes if cohort in {"*", *box.cohorts}]
                rule = Rule(
                    cohort=cohort,
                    release=release,
                    percent=max(reach(step.percent, places, BUCKETS), before.get(cohort, 0.0)),
                    seed=release,
                    window=terms.window,
                    idle_s=terms.idle_s,
                    least_battery_percent=terms.least_battery_percent,
                )
                channel = console.spread(channel, release, rule, f"{release}-step-{number + 1}")
            return channel

        self._console.change(kind, change)

    def _channel(self, kind: Kind) -> Channel:
        return self._console.current().channels.get(kind, Channel())

    def _terms(self, spread: Spread) -> Terms:
        rules = self._channel(spread.kind).rules
        rule = next((rule for rule in rules if rule.release == spread.release), None)
        return Terms(rule.window, rule.idle_s, rule.least_battery_percent) if rule else Terms()
