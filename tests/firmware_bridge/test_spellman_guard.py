"""The guard over the whole command space: what is listed passes, all else is refused, and nothing else can be built."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from firmware_bridge.spellman import guard
from firmware_bridge.spellman.frame import Decoder, Packet
from firmware_bridge.spellman.guard import REQUESTS, DeniedError, encode_request
from firmware_bridge.spellman.pmx import PMX
from firmware_bridge.spellman.profile import Profile
from firmware_bridge.spellman.xrv import XRV
from tests.firmware_bridge.spellman_peer import framed

# Written down a second time, by hand: a line that slips into the guard or a table has to be repeated here to pass.
ALLOWED = {
    PMX.name: {15, 22, 51, 53, 60, 65, 78, 84},
    XRV.name: {14, 15, 19, 21, 22, 23, 27, 28, 43, 60, 68, 69},
}
SETS = {7, 10, 11, 12, 13, 30, 31, 32, 33, 34, 50, 52, 55, 70, 71, 74, 97, 98, 99}
"""Every command known to set, clear or switch something on a model of this family."""

passive = pytest.mark.requirement("nothing that we can send prepares, exposes, sets a technique or clears a fault")
each_profile = pytest.mark.parametrize("profile", [PMX, XRV], ids=lambda profile: profile.name)


@passive
@each_profile
@pytest.mark.parametrize("command", range(100))
def test_only_the_listed_reads_pass(profile: Profile, command: int) -> None:
    if command in ALLOWED[profile.name]:
        assert encode_request(profile, command) == framed(f"{command:02},")
    else:
        with pytest.raises(DeniedError, match=f"{profile.name}: command {command} "):
            encode_request(profile, command)


@passive
@each_profile
def test_every_known_set_is_denied(profile: Profile) -> None:
    assert {command.opcode for command in profile.commands if not command.is_read} <= SETS
    assert not ALLOWED[profile.name] & SETS
    for command in SETS:
        with pytest.raises(DeniedError):
            encode_request(profile, command)


@passive
@each_profile
@pytest.mark.parametrize("command", [-1, 100, 122, 2200, 2**64])
def test_what_is_no_command_is_denied(profile: Profile, command: int) -> None:
    with pytest.raises(DeniedError):
        encode_request(profile, command)


@passive
@each_profile
def test_every_byte_and_every_number_of_three_digits_is_denied_but_the_listed(profile: Profile) -> None:
    """The whole space, and one beyond: a second model might use three digits, or a command of one raw byte."""
    for command in range(-1_000, 1_000):
        passes = command in ALLOWED[profile.name]
        assert ((profile.name, command) in REQUESTS) == passes
        if not passes:
            with pytest.raises(DeniedError):
                encode_request(profile, command)
    for byte in range(256):
        raw: object
        for raw in (bytes([byte]), chr(byte), f"{byte:03}", f"{byte:02}", float(byte) + 0.5):
            with pytest.raises(DeniedError):
                encode_request(profile, raw)  # type: ignore[arg-type]  # the point of the test


def test_another_model_has_nothing_it_may_be_asked() -> None:
    stranger = Profile("spellman-dxm", 9_600, XRV.refusal_form, 99, XRV.commands)
    for command in range(100):
        with pytest.raises(DeniedError):
            encode_request(stranger, command)


@passive
@each_profile
def test_the_list_is_the_reads_of_the_table(profile: Profile) -> None:
    listed = {opcode for name, opcode in REQUESTS if name == profile.name}
    assert listed == {command.opcode for command in profile.commands if command.is_read} == ALLOWED[profile.name]


@passive
def test_every_line_is_one_good_frame_without_arguments() -> None:
    assert {name for name, _ in REQUESTS} == set(ALLOWED)
    for (_, opcode), wire in REQUESTS.items():
        assert Decoder().feed(wire) == [Packet(opcode, ())]
        assert len(wire) == 6


@passive
def test_the_list_can_not_be_changed() -> None:
    with pytest.raises(TypeError, match="item assignment"):
        REQUESTS[PMX.name, 98] = b"\x0298,1,F\x03"  # type: ignore[index]  # the point of the test


@passive
def test_no_function_of_the_package_builds_a_frame() -> None:
    """A frame needs a checksum, which only the decoder computes; bytes that look like one are in the list alone."""
    assert guard.__file__ is not None
    callers: list[str] = []
    literals: list[bytes] = []
    for path in Path(guard.__file__).parent.glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
            callers += [
                f"{path.stem}.{function.name}"
                for node in ast.walk(function)
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "checksum"
            ]
        literals += [
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, bytes) and node.value[:1] == b"\x02"
        ]
    assert callers == ["frame._read"]
    assert sorted(literals) == sorted(REQUESTS.values())
