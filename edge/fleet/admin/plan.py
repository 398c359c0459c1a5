"""How a release spreads: stages, soaks, and when to stop. Rules only.

What always holds: a stage is left only after its soak and with enough boxes that prove it; failures stop the spread at
any time, and a box that fell silent after it began counts as failed. A judgement needs a least sample, so that one
broken box among three says nothing and two among fifty do. No stage at once reaches more than `most_growth` times the
boxes that have proven the release: between two stages of a cohort lie steps that last until silence would show.

Why steps: to see a release that loses 3 % of its boxes, by two losses, takes 200 boxes for 98 draws in 100, and 400 for
998 in 1000. The 1 % of a fleet of 10,000 are 100 boxes and let one such release in five pass; the steps to 2 % and 4 %
find it before 5 % have it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import pairwise
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from edge.fleet.documents import Percent

HOUR_S: Final = 3600.0


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Stage(_Part):
    """Who gets it next, and how long it must go well."""

    cohort: str = "*"
    percent: Percent = 100
    soak_s: Annotated[float, Field(ge=0)] = 24 * HOUR_S


class Plan(_Part):
    """A rollout's plan. `success_percent` and `failure_percent` are of the boxes whose end is known."""

    stages: Annotated[tuple[Stage, ...], Field(min_length=1)] = (
        Stage(cohort="lab", percent=100),
        Stage(percent=1),
        Stage(percent=5),
        Stage(percent=25),
        Stage(percent=100),
    )
    success_percent: Percent = 95
    """Of the boxes that a stage reaches and that were heard of, so many must have it before the next stage."""
    failure_percent: Percent = 1
    """From this share of failures on, the spread stops."""
    least_failures: Annotated[int, Field(ge=1)] = 2
    least_sample: Annotated[int, Field(ge=1)] = 20
    """So many ends must be known before a share means anything; in the last resort all that began."""
    silence_s: Annotated[float, Field(gt=0)] = 6 * HOUR_S
    """A box that began and says nothing for so long has failed."""
    most_growth: Annotated[float, Field(gt=1)] = 2
    """The most boxes that may have it next, for each that has it now."""

    @cached_property
    def steps(self) -> tuple[Stage, ...]:
        """The stages, and the steps that lead from one to a much larger one of the same cohort."""
        return tuple(self._steps())

    def _steps(self) -> Iterator[Stage]:
        yield self.stages[0]
        for before, stage in pairwise(self.stages):
            percent = before.percent * self.most_growth
            while before.cohort == stage.cohort and 0 < percent < stage.percent:
                yield Stage(cohort=stage.cohort, percent=percent, soak_s=min(self.silence_s, stage.soak_s))
                percent *= self.most_growth
            yield stage


@dataclass(frozen=True, slots=True)
class Tally:
    """What is known of the boxes that began with a release.

    Attributes:
        began: boxes that reported to try or have it.
        committed: it proved itself there.
        failed: it was taken back there.
        silent: began, and said nothing for the plan's silence.
        control: boxes that did not begin, and were heard of during the spread.
        control_silent: of these, those that said nothing for the same time: the network, not the release.
        targeted: boxes that the stage reaches and that were heard of lately.
    """

    began: int = 0
    committed: int = 0
    failed: int = 0
    silent: int = 0
    control: int = 0
    control_silent: int = 0
    targeted: int = 0

    @property
    def lost(self) -> float:
        """Failed, and silent beyond what is silent anyway."""
        usual = self.control_silent / self.control if self.control else 0.0
        return self.failed + max(0.0, self.silent - usual * self.began)

    @property
    def known(self) -> int:
        """Boxes whose end is known."""
        return self.committed + self.failed + self.silent

    @property
    def open(self) -> int:
        """Boxes that try it, and may yet fail or fall silent."""
        return max(0, self.began - self.known)


class Verdict(StrEnum):
    """What to do now."""

    WAIT = "wait"
    ADVANCE = "advance"
    HALT = "halt"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What to do now, and why, for a person."""

    verdict: Verdict
    why: str


def judge(plan: Plan, step: int, in_stage_s: float, tally: Tally) -> Judgement:
    """Judges a spread.

    Args:
        plan: its plan.
        step: the number of the step it is in, of `plan.steps`.
        in_stage_s: for how long.
        tally: what is known.
    """
    share = 100 * tally.lost / tally.known if tally.known else 0.0
    told = f"{tally.lost:.0f} of {tally.known} failed or fell silent ({share:.1f} %)"
    enough = tally.known >= min(plan.least_sample, max(1, tally.began))
    if enough and tally.lost >= plan.least_failures and share >= plan.failure_percent:
        return Judgement(Verdict.HALT, told)
    if in_stage_s < plan.steps[step].soak_s:
        return Judgement(Verdict.WAIT, f"soaks; {told}")
    due = max(tally.began, tally.targeted)
    if due == 0:
        return Judgement(Verdict.WAIT, "no box has begun")
    proven = 100 * tally.committed / due
    if proven < plan.success_percent:
        return Judgement(Verdict.WAIT, f"{proven:.0f} % have it; {told}")
    doubtful = tally.lost + tally.open
    if doubtful >= plan.least_failures and 100 * doubtful >= plan.failure_percent * (tally.known + tally.open):
        return Judgement(Verdict.WAIT, f"{tally.open} still try it; {told}")
    return Judgement(Verdict.DONE if step == len(plan.steps) - 1 else Verdict.ADVANCE, told)


def reach(percent: float, places: Sequence[int], of: int) -> float:
    """The percentage to sign so that no more than `percent` of the boxes we know get it, and at least one.

    Boxes take their places by a hash, which is fair in the mean only: of 2,000 boxes, 5 % of the places hold 107 as
    easily as 93.

    Args:
        percent: what the stage may reach.
        places: the known boxes' places, each below `of`.
        of: how many places there are.
    """
    if percent >= 100 or not places:
        return percent
    ordered = sorted(places)
    count = max(1, int(len(ordered) * percent / 100))
    after = ordered[count] if count < len(ordered) else of
    wanted = max(int(percent * of / 100), ordered[count - 1] + 1)
    return 100 * max(min(after, wanted), ordered[0] + 1) / of
