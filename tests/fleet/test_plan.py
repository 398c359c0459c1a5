"""When a spread goes on, waits, and stops."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from edge.fleet.admin.plan import HOUR_S, Plan, Stage, Tally, Verdict, judge, reach
from edge.fleet.probation import Limits, Probation, Pulse
from edge.fleet.probation import Verdict as Life

PLAN = Plan()
SOAKED = 25 * HOUR_S


@pytest.mark.parametrize(
    ("tally", "in_stage_s", "verdict"),
    [
        (Tally(), 0, Verdict.WAIT),
        (Tally(), SOAKED, Verdict.WAIT),  # nobody has begun: time alone proves nothing
        (Tally(began=1, committed=1, targeted=1), 0, Verdict.WAIT),  # soaks
        (Tally(began=1, committed=1, targeted=1), SOAKED, Verdict.ADVANCE),
        (Tally(began=1, committed=1, targeted=100), SOAKED, Verdict.WAIT),  # the others have not had their turn
        (Tally(began=100, committed=94, targeted=100), SOAKED, Verdict.WAIT),
        (Tally(began=100, committed=99, failed=1, targeted=100), SOAKED, Verdict.ADVANCE),  # one is no pattern
        (
            Tally(began=100, committed=97, failed=1, targeted=100),
            SOAKED,
            Verdict.WAIT,
        ),  # those that try it may yet fail
        (Tally(began=100, committed=50, failed=2, targeted=100), 0, Verdict.HALT),
        (Tally(began=100, committed=10, failed=2, targeted=100), 0, Verdict.WAIT),  # too few to say
        (Tally(began=3, committed=1, failed=2, targeted=3), 0, Verdict.HALT),  # all that began
        (Tally(began=1000, committed=998, failed=2, targeted=1000), SOAKED, Verdict.ADVANCE),
        (Tally(began=100, committed=90, silent=10, targeted=100), SOAKED, Verdict.HALT),  # silence is failure
        (
            Tally(began=100, committed=90, silent=10, control=1000, control_silent=100),
            SOAKED,
            Verdict.WAIT,
        ),  # the network
    ],
)
def test_judgement(tally: Tally, in_stage_s: float, verdict: Verdict) -> None:
    assert judge(PLAN, 0, in_stage_s, tally).verdict is verdict


def test_the_last_stage_ends_it() -> None:
    tally = Tally(began=100, committed=100, targeted=100)
    assert judge(PLAN, len(PLAN.steps) - 1, SOAKED, tally).verdict is Verdict.DONE


def test_no_step_reaches_more_than_twice_what_has_proven_it() -> None:
    percents = [step.percent for step in PLAN.steps if step.cohort == "*"]
    assert percents == [1, 2, 4, 5, 10, 20, 25, 50, 100]
    assert all(after <= 2 * before for before, after in pairwise(percents))
    assert PLAN.steps[0].cohort == "lab"
    assert set(PLAN.stages) <= set(PLAN.steps)
    assert {step.soak_s for step in PLAN.steps if step not in PLAN.stages} == {PLAN.silence_s}
    lab_then_all = Plan(stages=(Stage(cohort="lab"), Stage()))
    assert lab_then_all.steps == lab_then_all.stages


@pytest.mark.parametrize("boxes", [1, 3, 40, 2000, 10_000])
def test_a_step_reaches_its_share_of_the_boxes_and_not_of_the_hash(boxes: int) -> None:
    luck = random.Random(boxes)
    for percent in (0.5, 1, 5, 25, 99):
        places = [luck.randrange(10_000) for _ in range(boxes)]
        signed = reach(percent, places, 10_000)
        reached = sum(place < round(signed * 100) for place in places)
        assert 1 <= reached <= max(1, boxes * percent / 100)
        assert boxes < 1000 or reached > boxes * percent / 100 - 5
    assert reach(100, places, 10_000) == 100
    assert reach(5, [], 10_000) == 5


LIMITS = Limits(start_s=60, pulse_s=30, probation_s=600)


def watch(*looks: tuple[float, dict[str, Pulse]]) -> list[Life]:
    probation = Probation(LIMITS, ("a", "b"), 0.0, {"a": Pulse(1, 0)})
    return [probation.look(now_s, pulses) for now_s, pulses in looks]


def beats(until_s: int, step_s: int = 4) -> list[tuple[float, dict[str, Pulse]]]:
    return [(float(s), {"a": Pulse(7, s), "b": Pulse(8, s)}) for s in range(step_s, until_s, step_s)]


def test_an_old_pulse_is_no_sign_of_life() -> None:
    looks = [(float(s), {"a": Pulse(1, 0)}) for s in range(4, 72, 4)]
    assert watch(*looks)[-1] is Life.HUNG
    assert watch(*looks[:10])[-1] is Life.COMING


def test_life_proves_itself_after_the_probation_and_not_before() -> None:
    verdicts = watch(*beats(640))
    assert verdicts[0] is Life.ALIVE
    assert verdicts[-1] is Life.PROVEN
    assert Life.PROVEN not in verdicts[:145]


def test_one_silent_part_is_a_hang() -> None:
    looks = beats(100) + [(float(s), {"a": Pulse(7, s), "b": Pulse(8, 96)}) for s in range(100, 140, 4)]
    assert watch(*looks)[-1] is Life.HUNG


def test_parts_that_are_replaced_again_and_again_crash() -> None:
    looks = [(float(s), {"a": Pulse(s // 8, s), "b": Pulse(8, s)}) for s in range(4, 80, 4)]
    assert watch(*looks)[-1] is Life.CRASHING


def test_a_part_that_dies_begins_the_probation_anew_and_silence_never_ends_it() -> None:
    died = [(float(s), {"a": Pulse(7, s), "b": Pulse(8 if s < 500 else 9, s)}) for s in range(4, 1112, 4)]
    verdicts = watch(*died)
    assert verdicts.index(Life.PROVEN) == (500 + 600 - 4) // 4
    looks = [*beats(596), *((float(s), {"a": Pulse(7, s), "b": Pulse(8, 592)}) for s in range(596, 620, 4))]
    assert Life.PROVEN not in watch(*looks)


def test_a_machine_that_slept_is_forgiven() -> None:
    looks = [*beats(100), (5000.0, {"a": Pulse(7, 96), "b": Pulse(8, 96)})]
    assert watch(*looks)[-1] is Life.ALIVE
