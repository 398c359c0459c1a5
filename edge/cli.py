"""The command line. Commands compose what others do; nothing is decided here.

What a command needs is loaded when it is asked for: each process of the appliance starts through here.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import click

from edge import __version__
from edge.errors import CalcedgeError, StoreError
from edge.signals import told_to_stop

if TYPE_CHECKING:
    from edge.config import Config
    from edge.types import Analysis

NOT_ALL_ANALYSED = 3

_existing = click.Path(exists=True, path_type=Path)
_any_path = click.Path(path_type=Path)
_config = click.option("--config", "config_path", type=_existing, help="The configuration, a TOML file.")
_data = click.option("--data", type=_any_path, help="The folder of the store, instead of the configured one.")


_ELSEWHERE: Final = {
    "people": "edge.people.cli",
    "backup": "edge.services.keeping",
    "restore": "edge.services.keeping",
    "scrub": "edge.services.keeping",
    "salvage": "edge.services.keeping",
    "vault": "edge.store.cli",
    "audit": "edge.store.cli",
    "fleet": "edge.fleet.admin.cli",
    "update": "edge.fleet.cli",
}
"""Commands that live with what they are about, and the module of each."""


class _Commands(click.Group):
    """Those written here and those elsewhere."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *_ELSEWHERE})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _ELSEWHERE:
            command: click.Command = getattr(import_module(_ELSEWHERE[cmd_name]), cmd_name)
            return command
        return super().get_command(ctx, cmd_name)


@click.group(cls=_Commands)
@click.version_option(__version__, prog_name="calcedge")
def cli() -> None:
    """Looks for soft-tissue calcification on hand radiographs. Research use only; not a medical device."""


def main() -> None:
    """The entry point: errors of ours are told in a sentence, with what to do next."""
    try:
        cli()
    except CalcedgeError as error:
        click.echo(f"calcedge: {error.reason.text}\n  {error.reason.do}", err=True)
        sys.exit(1)


def _load(config_path: Path | None, data: Path | None) -> Config:
    from edge.config import load

    return load(config_path, data.resolve() if data else None)


@cli.command()
@_config
@_data
def run(config_path: Path | None, data: Path | None) -> None:
    """Run the appliance: all processes, until it is told to stop."""
    from edge.lean import without_luxuries

    without_luxuries()

    from edge import log
    from edge.clock import SystemClock
    from edge.people.setup import make_code
    from edge.runtime import RunFolder
    from edge.services.parent import die_with_parent
    from edge.services.supervisor import Supervisor
    from edge.store import Store, accounts

    die_with_parent()
    log.configure("supervisor")
    config = _load(config_path, data)
    stop = told_to_stop()
    click.echo(f"calcedge {__version__}: http://{config.web.host}:{config.web.port}/")
    try:
        store = Store.open(config.data)  # migrations run once, before anybody else opens it
    except StoreError as error:  # the page says so too, and all goes on once it can be opened
        click.echo(f"calcedge: {error.reason.text}\n  {error.reason.do}", err=True)
    else:
        with store.read() as connection:
            if not accounts.any_admin(connection):
                click.echo(f"not set up yet: open the page; the set-up code is {make_code(config)}")
        store.close()
    Supervisor(config_path, data, RunFolder(config.run_folder, SystemClock())).run(stop)


@cli.command(hidden=True)
@click.argument("name", type=click.Choice(["bridge", "dicom", "analyze", "web"]))
@_config
@_data
def service(name: str, config_path: Path | None, data: Path | None) -> None:
    """Run one process of the appliance, as the supervisor or systemd does."""
    from edge.lean import without_luxuries
    from edge.services.memory import without_decoders

    without_decoders()
    without_luxuries()

    from edge.services.process import run_service

    module = import_module(f"edge.services.{name}")
    sys.exit(run_service(name, _load(config_path, data), module.body, getattr(module, "closed", None)))


@cli.command()
@click.argument("paths", nargs=-1, required=True, type=_existing)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, in input order.")
@click.option("--out", type=_any_path, help="Write the report objects to this folder.")
@click.option("--fhir", is_flag=True, help="With --out: write a FHIR R4 DiagnosticReport too.")
@click.option("--all-scores", is_flag=True, help="List candidates below the threshold too.")
@_config
def analyze(
    *, paths: tuple[Path, ...], as_json: bool, out: Path | None, fhir: bool, all_scores: bool, config_path: Path | None
) -> None:
    """Analyse DICOM files or folders without the appliance."""
    from edge import wire
    from edge.services import batch

    if fhir and out is None:
        raise click.UsageError("--fhir needs --out")
    complete = True
    for result in batch.analyse(_load(config_path, None), paths, out, all_scores=all_scores, fhir=fhir):
        complete = complete and result.analysis.outcome != "not_analysed" and result.trouble is None
        click.echo(wire.to_json(result.analysis) if as_json else _in_words(result.analysis))
        if result.trouble:
            click.echo(f"{result.analysis.source}: {result.trouble.reason.text}", err=True)
        for path in result.written:
            click.echo(f"  wrote {path}", err=as_json)
    sys.exit(0 if complete else NOT_ALL_ANALYSED)


@cli.group()
def simulate() -> None:
    """Simulated hardware."""


_profile = click.Choice(["own", "spellman-pmx", "spellman-xrv"])


@simulate.command()
@click.option("--port-link", required=True, type=_any_path, help="Where the unit's serial port shall appear.")
@click.option("--profile", type=_profile, default="own", show_default=True, help="What kind of unit.")
@click.option("--scenario", type=_existing, help="What happens when, a TOML file.")
@click.option("--control", type=_any_path, help="Where the control socket shall appear (`simulate control`).")
@click.option("--record", type=_any_path, help="Record what passes over the port in this file.")
@click.option("--paced", is_flag=True, help="Bytes take the time that they take on a real line.")
@click.option("--images", type=_existing, help="A folder of DICOM images to take exposures' images from.")
@click.option("--send-to", metavar="TITLE@HOST:PORT", help="Send each image to this DICOM node.")
@click.option("--drop-into", type=_any_path, help="Drop each image into this folder.")
@click.option("--exposures", type=click.IntRange(0), default=1000, show_default=True, help="How many to take.")
@click.option("--every", "every_s", type=float, default=20.0, show_default=True, help="Seconds between exposures.")
@click.option("--seed", type=int, default=0, show_default=True)
def unit(
    *,
    port_link: Path,
    profile: str,
    scenario: Path | None,
    control: Path | None,
    record: Path | None,
    paced: bool,
    images: Path | None,
    send_to: str | None,
    drop_into: Path | None,
    exposures: int,
    every_s: float,
    seed: int,
) -> None:
    """A simulated X-ray unit on a pseudo-terminal. A scenario file takes the place of --exposures and --every."""
    from edge.services.parent import die_with_parent
    from firmware_bridge.simulator import MODELS, Destination, ScenarioError, UnitOptions, load, run_unit, series

    die_with_parent()
    try:
        steps = load(scenario) if scenario else series(exposures, every_s, seed, MODELS[profile])
        destination = Destination.parse(send_to) if send_to else None
        run_unit(
            UnitOptions(
                port_link,
                steps,
                images,
                destination,
                drop_into,
                profile=profile,
                control=control,
                record=record,
                paced=paced,
            )
        )
    except (ScenarioError, ValueError) as error:
        raise click.UsageError(str(error)) from error
    except OSError as error:
        raise click.ClickException(str(error)) from error


@simulate.command(name="control")
@click.argument("socket", type=_any_path)
@click.argument("what", nargs=-1, required=True)
def control_unit(socket: Path, what: tuple[str, ...]) -> None:
    """Make something happen to a running simulated unit.

    WHAT is `status`, `watch`, or a step and its values, for example: unplug s=2. `calcedge simulate steps` lists all.
    """
    import json

    from firmware_bridge.simulator.control import ask, read_words, watch

    try:
        if what == ("watch",):
            for line in watch(socket):
                click.echo(line)
            return
        answer = ask(socket, read_words(what))
    except (OSError, ValueError) as error:
        raise click.ClickException(f"{socket}: {error}") from error
    click.echo(json.dumps(answer))
    sys.exit(0 if answer["ok"] else 1)


@simulate.command()
def steps() -> None:
    """List all that can happen to a simulated unit, for scenario files and `simulate control`."""
    from firmware_bridge.simulator.scenario import in_words

    click.echo(in_words())


@simulate.command()
@click.argument("trace", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--profile", type=_profile, help="What kind of unit; by default as the trace says.")
@click.option("--port-link", type=_any_path, help="Say it again on a port that appears here, instead of in words.")
@click.option("--speed", type=click.FloatRange(0.1, 1000), default=1.0, show_default=True, help="With --port-link.")
def replay(*, trace: Path, profile: str | None, port_link: Path | None, speed: float) -> None:
    """Show a recorded trace in words, or say it again on a pseudo-terminal."""
    from firmware_bridge import trace as traces
    from firmware_bridge.simulator.replay import in_words, play

    try:
        recording = traces.read(trace)
        if port_link is not None:
            play(recording, port_link, told_to_stop(), speed=speed, say=click.echo)
            return
        for line in in_words(recording, profile or recording.facts.get("unit", "own")):
            click.echo(line)
    except (traces.TraceError, OSError) as error:
        raise click.ClickException(str(error)) from error


@cli.command()
@_config
@_data
def doctor(config_path: Path | None, data: Path | None) -> None:
    """Self-test: store, model, serial link, DICOM, disk, clock. Exit 0 only if all is well."""
    from edge.health.checks import Verdict, examine

    well = True
    for answer in examine(_load(config_path, data)):
        well = well and answer.verdict is not Verdict.FAIL
        click.echo(f"{answer.verdict:<5} {answer.check:<12} {answer.text}")
        if answer.do:
            click.echo(f"      {'':<12} -> {answer.do}")
    sys.exit(0 if well else 1)


@cli.command()
@click.argument("image", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--mm-per-pixel", required=True, type=click.FloatRange(0.01, 5.0), help="Size of a pixel on the film.")
@click.option("--out", required=True, type=_any_path, help="The DICOM file to write.")
@click.option("--side", type=click.Choice(["L", "R"]), help="Which hand, if one and known.")
@click.option("--patient-id", default="", help="The patient's identifier.")
@click.option("--patient-name", default="", help="The patient's name, FAMILY^GIVEN.")
@click.option("--invert", is_flag=True, help="The picture shows dense as dark.")
def wrap(
    *,
    image: Path,
    mm_per_pixel: float,
    out: Path,
    side: Literal["L", "R"] | None,
    patient_id: str,
    patient_name: str,
    invert: bool,
) -> None:
    """Turn a PNG, TIFF or JPEG of a radiograph into a DICOM file, for digitised films."""
    from edge.wrap import wrap as wrap_picture

    wrap_picture(
        image,
        out,
        mm_per_pixel=mm_per_pixel,
        side=side,
        patient_id=patient_id,
        patient_name=patient_name,
        invert=invert,
    )
    click.echo(f"wrote {out}")


@cli.command()
@click.option("--once", is_flag=True, help="One exposure, print its result, end.")
@click.option("--data", type=_any_path, default=Path("var/demo"), show_default=True, help="The demo's folder.")
@click.option("--web-port", type=click.IntRange(1, 65535), help="The page's port; a free one by default.")
def demo(*, once: bool, data: Path, web_port: int | None) -> None:
    """The appliance with a simulated unit: exposes hands, analyses, reports, delivers, shows."""
    from edge.services.demo import Demo

    stop = told_to_stop()
    with Demo(data, stop, exposures=1 if once else None, web_port=web_port) as running:
        last = running.newest_image_id()
        click.echo(f"status page: {running.entrance}")
        click.echo(f"  (that link signs in as {running.ACCOUNT!r}; on this machine its PIN is {running.pin})")
        running.expose()
        for outcome in running.outcomes(1 if once else 2**31, last):
            click.echo(_in_words(outcome.analysis.analysis))
            for parcel in outcome.parcels:
                click.echo(f"  {parcel.kind}: {running.outbox / parcel.sop_instance_uid}.dcm")


def _in_words(analysis: Analysis) -> str:
    from edge.types import NotAnalysed

    if isinstance(analysis, NotAnalysed):
        return f"{analysis.source}: NOT ANALYSED: {analysis.reason.text} {analysis.reason.do}"
    lines = [f"{analysis.source}: {_summary(len(analysis.lesions))} (automated, unverified; research use only)"]
    for lesion in analysis.lesions:
        hand = analysis.hands[lesion.hand]
        lines.append(
            f"  {hand.side} {lesion.region}: {lesion.certainty} {lesion.type}, {lesion.area_mm2:.1f} mm2, "
            f"long axis {lesion.long_axis_mm:.1f} mm, density grade {lesion.density_grade}, "
            f"bodies {lesion.bodies}, score {lesion.score:.2f}"
        )
    lines += [f"  hand {hand.side}: burden index {hand.burden_index:.1f}" for hand in analysis.hands]
    lines += [f"  {note.severity}: {note.text}" for note in analysis.quality]
    return "\n".join(lines)


def _summary(count: int) -> str:
    if count == 0:
        return "no area exceeded the alert threshold; this does not exclude calcification"
    return f"{count} area{'s' if count > 1 else ''} suggestive of soft-tissue calcification"
