"""`calcedge update`: the box's side of remote updates. Commands compose what others do; nothing is decided here."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge.errors import UpdateError
from edge.fleet.installed import FACTORY_PULSES

if TYPE_CHECKING:
    from edge.config import Config

_path = click.Path(path_type=Path)
_config = click.option("--config", "config_path", type=_path, help="The configuration, a TOML file.")
_NOT_IDLE = 3
_NOT_THERE_YET = 4


def _load(config_path: Path | None) -> Config:
    from edge.config import load

    return load(config_path)


def _arguments(config_path: Path | None) -> tuple[str, ...]:
    return ("--config", str(config_path.resolve())) if config_path else ()


@click.group()
def update() -> None:
    """Remote updates: this box's side."""


@update.command()
@_config
def check(config_path: Path | None) -> None:
    """Look for updates once, and report. Exit 0 when all is as the fleet's admin wants it, 4 when it waits or can't."""
    from edge import log
    from edge.clock import SystemClock
    from edge.fleet.agent import Agent

    log.configure("update")
    config = _load(config_path)
    _by_the_good_release(config, _arguments(config_path))
    agent = Agent(config, SystemClock(), _arguments(config_path))
    outcome = agent.check()
    agent.report(outcome, most_s=20.0)
    click.echo(agent.in_words())
    sys.exit(_NOT_THERE_YET if outcome.code or any(step.code for step in outcome.steps.values()) else 0)


def _by_the_good_release(config: Config, arguments: tuple[str, ...]) -> None:
    """Lets the good release's own updater do it; returns if that is this one, or if that one can't."""
    import os
    import subprocess

    from edge.fleet.installed import Installed
    from edge.fleet.slots import Kind
    from edge.fleet.statefile import StateFile

    good = StateFile(config.fleet_root).read().slots[Kind.APPLICATION].good
    application = Installed(config.fleet_root).application(good)
    if "CALCEDGE_RELEASE" in os.environ or application is None or not application.wheels:
        return
    done = subprocess.run(
        application.command("update", "check", *arguments), env=application.environment(), check=False
    )
    if done.returncode in (0, _NOT_THERE_YET):
        sys.exit(done.returncode)


@update.command()
@_config
def watch(config_path: Path | None) -> None:
    """Look for updates again and again, and keep the admin informed, until told to stop. Or use the systemd timer."""
    from edge import log
    from edge.clock import SystemClock
    from edge.fleet.agent import Agent
    from edge.signals import told_to_stop

    log.configure("update")
    stop = told_to_stop()
    Agent(_load(config_path), SystemClock(), _arguments(config_path)).watch(stop)


@update.command()
@_config
def status(config_path: Path | None) -> None:
    """What runs, what is on trial, what is bad and why, and how the last check ended."""
    from edge.clock import SystemClock
    from edge.fleet.agent import Agent

    click.echo(Agent(_load(config_path), SystemClock(), ()).in_words())


@update.command()
@_config
@click.option("--probation-s", type=float, help="How long a new release must prove itself.")
@click.option("--units", is_flag=True, help="systemd runs the processes, each by `calcedge update start`.")
def launch(config_path: Path | None, *, probation_s: float | None, units: bool) -> None:
    """Start the appliance so that updates can be tried and taken back; in place of `calcedge run`."""
    import os

    probation = ["--probation-s", str(probation_s)] if probation_s is not None else []
    options = [*_folders(_load(config_path)), *probation, *(["--units"] if units else [])]
    command = [sys.executable, "-P", "-m", "edge.fleet.launch", *options, "--", *_arguments(config_path)]
    os.execv(sys.executable, command)  # noqa: S606 - the launcher takes this process's place


@update.command()
@click.argument("service", type=click.Choice(FACTORY_PULSES))
@_config
@click.pass_context
def start(context: click.Context, service: str, config_path: Path | None) -> None:
    """Become one process of the release that is to run now: for a unit of systemd, beside `launch --units`."""
    import os

    from edge.fleet.start import become, chosen

    config = _load(config_path)
    application = chosen(config.fleet_root, config.run_folder, service)
    if application.wheels:
        become(application, service, _arguments(config_path))
    os.environ.update(application.environment())  # the image's own is loaded already
    group = context.find_root().command
    assert isinstance(group, click.Group)
    own = group.get_command(context, "service")
    assert own is not None
    context.invoke(own, name=service, config_path=config_path)


def _folders(config: Config) -> list[str]:
    return ["--root", str(config.fleet_root), "--run-folder", str(config.run_folder)]


@update.command(hidden=True)
@_config
@click.option("--bundle", type=_path, help="The model to test instead of the running one.")
def probe(config_path: Path | None, bundle: Path | None) -> None:
    """Give the golden results, or fail: a release's own test before and on trial."""
    from edge.detector.analyse import Analyser
    from edge.fleet.installed import model_release

    config = _load(config_path)
    folder = bundle or model_release(config.fleet_root, config.analysis.release).bundle
    Analyser(folder, threads=config.analysis.threads).self_test()


@update.command(hidden=True)
@_config
def proof(config_path: Path | None) -> None:
    """Prove that this release could be updated in its turn."""
    from edge.fleet.statefile import StateFile, decode, encode
    from edge.fleet.trust import cached_sound

    config = _load(config_path)
    state = StateFile(config.fleet_root).read()
    if decode(encode(state)) != state:
        raise UpdateError("trial-updater", "the state")
    trust = config.fleet.trust
    if trust is not None and not cached_sound(config.fleet_root / "tuf", trust.read_bytes()):
        raise UpdateError("trial-updater", "the metadata")


@update.command(hidden=True)
@_config
@click.option("--idle-s", type=float, default=60.0)
def idle(config_path: Path | None, idle_s: float) -> None:
    """Exit 0 when no exam is under way."""
    from edge.clock import SystemClock
    from edge.fleet.idle import busy

    sys.exit(_NOT_IDLE if busy(_load(config_path), SystemClock(), idle_s) else 0)


@update.command()
@_config
@click.option("--token", help="The one-time token from the fleet's admin.")
@click.option("--address", help="Where the admin's `calcedge fleet watch --enrol-port` answers: https://host:port")
@click.option("--request", "request_path", type=_path, help="Write the request to this file (a USB stick) instead.")
@click.option("--install", "answer_path", type=_path, help="Install the certificate that came back on the stick.")
def enrol(
    *,
    config_path: Path | None,
    token: str | None,
    address: str | None,
    request_path: Path | None,
    answer_path: Path | None,
) -> None:
    """Get this box's certificate. The key is made here and never leaves."""
    from edge.fleet import identity

    config = _load(config_path)
    me = identity.Identity.of(config)
    if answer_path:
        me.install(answer_path.read_bytes())
    elif request_path:
        request_path.write_bytes(me.request())
        click.echo(f"wrote {request_path}: take it to the admin, bring the answer back with --install")
        return
    elif token and address:
        me.enrol(address, token)
    else:
        raise click.UsageError("give --token and --address, or --request, or --install")
    click.echo(f"certificate of {me.device} until {me.valid_until():%Y-%m-%d}")


@update.command()
@_config
@click.option("--address", required=True, help="The admin's door for enrolment: https://host:port")
def renew(config_path: Path | None, address: str) -> None:
    """Renew this box's certificate; also after it has expired."""
    from edge.fleet import identity

    me = identity.Identity.of(_load(config_path))
    me.renew(address)
    click.echo(f"certificate of {me.device} until {me.valid_until():%Y-%m-%d}")
