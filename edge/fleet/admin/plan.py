"""How a release spreads: stages, soaks, and when to stop. Rules only.

What always holds: a stage is left only after its soak and with enough boxes that prove it; failures stop the spread at
any time, and a box that fell silent after it began counts as failed. A judgement needs a least sample, so that one
broken box among three says nothing and two among fifty do.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
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


def judge(plan: Plan, stage: int, in_stage_s: float, tally: Tally) -> Judgement:
    """Judges a spread.

    Args:
        plan: its plan.
        stage: the number of the stage it is in.
        in_stage_s: for how long.
        tally: what is known.
    """
    share = 100 * tally.lost / tally.known if tally.known else 0.0
    told = f"{tally.lost:.0f} of {tally.known} failed or fell silent ({share:.1f} %)"
    enough = tally.known >= min(plan.least_sample, max(1, tally.began))
    if enough and tally.lost >= plan.least_failures and share >= plan.failure_percent:
        return Judgement(Verdict.HALT, told)
    if in_stage_s < plan.stages[stage].soak_s:
        return Judgement(Verdict.WAIT, f"soaks; {told}")
    due = max(tally.began, tally.targeted)
    if due == 0:
        return Judgement(Verdict.WAIT, "no box has begun")
    proven = 100 * tally.committed / due
    if proven < plan.success_percent:
        return Judgement(Verdict.WAIT, f"{proven:.0f} % have it; {told}")
    return Judgement(Verdict.DONE if stage == len(plan.stages) - 1 else Verdict.ADVANCE, told)
