"""The command line. Commands compose what others do; nothing is decided here."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from edge import __version__
from edge.errors import CalcedgeError

if TYPE_CHECKING:
    from edge.config import Config
    from edge.types import Analysis

NOT_ALL_ANALYSED = 3

_existing = click.Path(exists=True, path_type=Path)
_any_path = click.Path(path_type=Path)
_config = click.option("--config", "config_path", type=_existing, help="The configuration, a TOML file.")
_data = click.option("--data", type=_any_path, help="The folder of the store, instead of the configured one.")


@click.group()
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

    config = load(config_path)
    return config.model_copy(update={"data": data.resolve()}) if data else config


def _until_told_to_stop() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


@cli.command()
@_config
@_data
def run(config_path: Path | None, data: Path | None) -> None:
    """Run the appliance: all processes, until it is told to stop."""
    from edge import log
    from edge.services.process import die_with_parent
    from edge.services.supervisor import Supervisor
    from edge.store import Store

    die_with_parent()
    log.configure("supervisor")
    config = _load(config_path, data)
    stop = _until_told_to_stop()
    Store.open(config.data).close()  # migrations run once, before anybody else opens it
    click.echo(f"calcedge {__version__}: http://{config.web.host}:{config.web.port}/")
    Supervisor(config_path, data).run(stop)


@cli.command(hidden=True)
@click.argument("name", type=click.Choice(["bridge", "dicom", "analyze", "web"]))
@_config
@_data
def service(name: str, config_path: Path | None, data: Path | None) -> None:
    """Run one process of the appliance, as the supervisor or systemd does."""
    from importlib import import_module

    from edge.services.process import run_service

    sys.exit(run_service(name, _load(config_path, data), import_module(f"edge.services.{name}").body))


@cli.command()
@click.argument("paths", nargs=-1, required=True, type=_existing)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, in input order.")
@click.option("--out", type=_any_path, help="Write the report objects to this folder.")
@click.option("--all-scores", is_flag=True, help="List candidates below the threshold too.")
@_config
def analyze(
    *, paths: tuple[Path, ...], as_json: bool, out: Path | None, all_scores: bool, config_path: Path | None
) -> None:
    """Analyse DICOM files or folders without the appliance."""
    from edge import wire
    from edge.services import batch

    complete = True
    for result in batch.analyse(_load(config_path, None), paths, out, all_scores=all_scores):
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


@simulate.command()
@click.option("--port-link", required=True, type=_any_path, help="Where the unit's serial port shall appear.")
@click.option("--scenario", type=_existing, help="What happens when, a TOML file.")
@click.option("--images", type=_existing, help="A folder of DICOM images to take exposures' images from.")
@click.option("--send-to", metavar="TITLE@HOST:PORT", help="Send each image to this DICOM node.")
@click.option("--drop-into", type=_any_path, help="Drop each image into this folder.")
@click.option("--exposures", type=click.IntRange(0), default=1000, show_default=True, help="How many to take.")
@click.option("--every", "every_s", type=float, default=20.0, show_default=True, help="Seconds between exposures.")
@click.option("--seed", type=int, default=0, show_default=True)
def unit(
    *,
    port_link: Path,
    scenario: Path | None,
    images: Path | None,
    send_to: str | None,
    drop_into: Path | None,
    exposures: int,
    every_s: float,
    seed: int,
) -> None:
    """A simulated X-ray unit on a pseudo-terminal. A scenario file takes the place of --exposures and --every."""
    from edge.services.process import die_with_parent
    from firmware_bridge.simulator import Destination, ScenarioError, UnitOptions, load, run_unit, series

    die_with_parent()
    try:
        steps = load(scenario) if scenario else series(exposures, every_s, seed)
        destination = Destination.parse(send_to) if send_to else None
    except (ScenarioError, ValueError) as error:
        raise click.UsageError(str(error)) from error
    run_unit(UnitOptions(port_link, steps, images, destination, drop_into))


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

    stop = _until_told_to_stop()
    with Demo(data, stop, exposures=1 if once else None, web_port=web_port) as running:
        last = running.newest_image_id()
        click.echo(f"status page: {running.address}")
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
            f"{lesion.bodies} bodies, score {lesion.score:.2f}"
        )
    lines += [f"  hand {hand.side}: burden index {hand.burden_index:.1f}" for hand in analysis.hands]
    lines += [f"  {note.severity}: {note.text}" for note in analysis.quality]
    return "\n".join(lines)


def _summary(count: int) -> str:
    if count == 0:
        return "no area exceeded the alert threshold; this does not exclude calcification"
    return f"{count} area{'s' if count > 1 else ''} suggestive of soft-tissue calcification"
