"""Tables and replies: strict digits, exact counts, stated ranges, for both models and for any bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.spellman import pmx, xrv
from firmware_bridge.spellman.frame import MAX_BODY, Decoder, Packet
from firmware_bridge.spellman.pmx import PMX
from firmware_bridge.spellman.profile import (
    Accepted,
    Command,
    Decimal,
    Number,
    Profile,
    Reading,
    Refused,
    Text,
    Unreadable,
    Why,
    interpret,
)
from firmware_bridge.spellman.xrv import XRV
from tests.firmware_bridge.spellman_peer import fits, framed, packet, replies, reply

PROFILES = [PMX, XRV]
READS = [(profile, command) for profile in PROFILES for command in profile.commands if command.is_read]
SETS = [(profile, command) for profile in PROFILES for command in profile.commands if not command.is_read]
SCALES = pmx.Scales(last_kv_per_count=pmx.LAST_KV_PER_COUNT_BY_FULL_SCALE)
FULL_SCALE = xrv.FullScale(voltage_kv=160, current_ma=30, bipolar=False)

each_profile = pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
each_read = pytest.mark.parametrize(("profile", "command"), READS)
each_set = pytest.mark.parametrize(("profile", "command"), SETS)


def good(command: Command) -> list[str]:
    """The lowest answer of each argument."""
    return [
        str(a.low) if isinstance(a, Number) else "0.0" if isinstance(a, Decimal) else "SWM1" for a in command.arguments
    ]


@each_profile
def test_a_table_names_each_command_once(profile: Profile) -> None:
    assert len(profile.by_opcode) == len(profile.commands)
    assert len({command.name for command in profile.commands}) == len(profile.commands)
    assert all(0 <= command.opcode <= 99 for command in profile.commands)


def test_the_same_number_is_another_thing_on_the_other_model() -> None:
    assert len(PMX.by_opcode[22].arguments) == 26
    assert len(XRV.by_opcode[22].arguments) == 17


@each_read
def test_an_answer_has_exactly_its_arguments(profile: Profile, command: Command) -> None:
    right = good(command)
    assert isinstance(interpret(profile, packet(reply(command, *right))), Reading)
    for wrong in (right[:-1], [*right, "0"]):
        said = interpret(profile, packet(reply(command, *wrong)))
        assert isinstance(said, Unreadable | Refused)
        if isinstance(said, Unreadable):
            assert said.why is Why.ARGUMENT_COUNT


@each_read
def test_each_argument_keeps_to_its_range(profile: Profile, command: Command) -> None:
    right = good(command)
    for at, argument in enumerate(command.arguments):
        if isinstance(argument, Text):
            continue
        outside = [f"{argument.high + 1:.0f}"]
        if isinstance(argument, Number) and argument.low > 0:
            outside.append(str(argument.low - 1))
        for wrong in outside:
            said = interpret(profile, packet(reply(command, *right[:at], wrong, *right[at + 1 :])))
            assert isinstance(said, Unreadable | Refused), (argument, wrong)
        highest = f"{argument.high:.0f}"
        assert isinstance(interpret(profile, packet(reply(command, *right[:at], highest, *right[at + 1 :]))), Reading)


@each_read
@pytest.mark.parametrize("wrong", ["-1", "1-", "A", "1A", "$", "!", ".", "1.", "9" * 11])
def test_a_number_is_digits_and_nothing_else(profile: Profile, command: Command, wrong: str) -> None:
    right = good(command)
    for at, argument in enumerate(command.arguments):
        if not isinstance(argument, Text):
            said = interpret(profile, packet(reply(command, *right[:at], wrong, *right[at + 1 :])))
            assert isinstance(said, Unreadable)
            assert said.why is Why.ARGUMENT


def test_leading_zeros_change_nothing() -> None:
    said = [interpret(PMX, packet(f"60,{written},")) for written in ("42", "042", "0042")]
    assert [reading.values for reading in said if isinstance(reading, Reading)] == [(42,)] * 3


@pytest.mark.parametrize(
    ("written", "value"), [("7", 7), ("007", 7), ("10", 10), ("4", None), ("11", None), ("\u0667", None)]
)
def test_a_number(written: str, value: int | None) -> None:
    assert Number("n", low=5, high=10).read(written) == value


@pytest.mark.parametrize(
    ("written", "value"),
    [("1.5", 1.5), ("2", 2.0), ("2.1", None), (".5", None), ("1.", None), ("1E0", None), ("NAN", None)],
)
def test_a_decimal(written: str, value: float | None) -> None:
    assert Decimal("d", high=2).read(written) == value


@pytest.mark.parametrize(
    ("written", "good"), [("SWM00199-001", True), ("A" * 32, True), ("A" * 33, False), ("$", False)]
)
def test_a_text(written: str, good: bool) -> None:  # noqa: FBT001 - a column of the table above
    assert (Text("t").read(written) == written) is good


@each_set
def test_somebody_elses_set_is_told_by_its_answer(profile: Profile, command: Command) -> None:
    assert interpret(profile, Packet(command.opcode, ("$",))) == Accepted(command.opcode)
    for arguments in ((), ("$", "$"), ("4095",), ("!",)):
        said = interpret(profile, Packet(command.opcode, arguments))
        assert isinstance(said, Unreadable)
        assert said.why is Why.NOT_A_REPLY


def test_each_model_refuses_in_its_own_way() -> None:
    assert interpret(PMX, packet("22,1,")) == Refused(22, 1)
    assert interpret(PMX, packet("10,3,")) == Refused(10, 3)
    assert isinstance(interpret(PMX, packet("22,!,1,")), Unreadable)
    assert interpret(XRV, packet("22,!,1,")) == Refused(22, 1)
    assert isinstance(interpret(XRV, packet("22,1,")), Unreadable)


@pytest.mark.requirement("a refusal is never taken for a measurement")
def test_one_number_that_may_be_a_refusal_says_so() -> None:
    readings = {n: interpret(PMX, packet(f"65,{n},")) for n in (0, 1, 9, 11, 12, 40)}
    doubts = {n: reading.maybe_refusal for n, reading in readings.items() if isinstance(reading, Reading)}
    assert doubts == {0: None, 1: 1, 9: 9, 11: 11, 12: None, 40: None}
    assert interpret(PMX, packet("53,9,")) == Refused(53, 9)  # a filament is 0 or 1


@each_profile
def test_an_unknown_command_is_unreadable(profile: Profile) -> None:
    for opcode in set(range(100)) - set(profile.by_opcode):
        said = interpret(profile, Packet(opcode, ("1",)))
        assert isinstance(said, Unreadable)
        assert said.why is Why.UNKNOWN_COMMAND


@each_profile
def test_the_longest_writing_of_every_answer_fits_into_a_frame(profile: Profile) -> None:
    for command in profile.commands:
        if command.is_read:
            written = ["0000000001" if isinstance(a, Number) else "1" for a in command.arguments]
            body = f"{command.opcode:02d},{','.join(written)},"
            assert len(body) + 1 <= MAX_BODY
            assert isinstance(interpret(profile, packet(body)), Reading)


@each_profile
@given(data=st.data())
def test_a_good_answer_is_read_as_it_was_written(profile: Profile, data: st.DataObject) -> None:
    body = data.draw(replies(profile))
    said = interpret(profile, packet(body))
    assert isinstance(said, Reading)
    for written, value in zip(body.split(",")[1:-1], said.values, strict=True):
        assert written == value if isinstance(value, str) else float(written) == value


@pytest.mark.requirement("a damaged record is never taken for a whole one")
@each_profile
@given(data=st.data())
def test_neither_noise_nor_damage_raises_or_leaves_a_range(profile: Profile, data: st.DataObject) -> None:
    wire = bytearray(framed(data.draw(replies(profile))))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(wire) - 1))
        wire[at : at + data.draw(st.integers(0, 2))] = data.draw(
            st.binary(max_size=3) | st.sampled_from([b"9", b",", b"$,", b"!,1,", b"-1", b"\x02", b"\x03"])
        )
        if not wire:
            break
    # Once as it came, where the checksum mostly stops it; once sealed anew, so that the table has to.
    resealed = framed(bytes(wire[1:-2]).decode("latin-1"))
    for found in Decoder().feed(bytes(wire)) + Decoder().feed(resealed):
        _check(profile, interpret(profile, found))


@each_profile
@given(opcode=st.integers(0, 99), arguments=st.lists(st.text("0123456789.-$!AZ", min_size=1, max_size=12), max_size=30))
def test_no_packet_raises_or_leaves_a_range(profile: Profile, opcode: int, arguments: list[str]) -> None:
    _check(profile, interpret(profile, Packet(opcode, tuple(arguments))))


def _check(profile: Profile, said: object) -> None:
    match said:
        case Reading(command, values, _):
            assert command.is_read
            assert len(values) == len(command.arguments)
            assert all(fits(argument, value) for argument, value in zip(command.arguments, values, strict=True))
            if profile is PMX:
                pmx.result(said, SCALES)
            else:
                xrv.result(said, FULL_SCALE)
        case Refused(_, code):
            assert 1 <= code <= profile.highest_refusal
        case _:
            assert isinstance(said, Accepted | Unreadable)
