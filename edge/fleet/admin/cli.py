"""`calcedge fleet`: the admin's side of remote updates. Commands compose what others do; nothing is decided here."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from edge.fleet.admin.authority import Authority
    from edge.fleet.admin.conductor import Conductor
    from edge.fleet.admin.console import Console
    from edge.fleet.admin.ledger import Ledger
    from edge.fleet.admin.plan import Plan
    from edge.fleet.admin.repository import FleetRepository
    from edge.fleet.slots import Kind

_path = click.Path(path_type=Path)
_kind = click.argument("kind", type=click.Choice(["application", "model"]))


@dataclass(frozen=True, slots=True)
class _Desk:
    """One admin's folder, opened."""

    folder: Path
    name: str
    repository: FleetRepository
    console: Console
    ledger: Ledger
    conductor: Conductor


@contextmanager
def _desk(context: click.Context) -> Iterator[_Desk]:
    from edge.clock import SystemClock
    from edge.fleet.admin.conductor import Conductor
    from edge.fleet.admin.console import Console
    from edge.fleet.admin.ledger import Ledger
    from edge.fleet.admin.repository import FleetRepository

    folder, name = context.obj
    clock = SystemClock()
    repository = FleetRepository(folder, clock)
    console = Console(repository, name)
    ledger = Ledger(folder / "fleet.sqlite", clock)
    try:
        yield _Desk(folder, name, repository, console, ledger, Conductor(console, ledger))
    finally:
        ledger.close()


def _of(kind: str) -> Kind:
    from edge.fleet.slots import Kind

    return Kind(kind)


@click.group()
@click.option("--dir", "folder", type=_path, default=Path("fleet"), show_default=True, help="The admin's folder.")
@click.option("--name", default="default", show_default=True, help="The fleet.")
@click.pass_context
def fleet(context: click.Context, folder: Path, name: str) -> None:
    """Remote updates: the fleet admin's side."""
    context.obj = folder.resolve(), name


@fleet.command()
@click.pass_context
def init(context: click.Context) -> None:
    """Make keys and an empty repository."""
    from edge.clock import SystemClock
    from edge.fleet.admin.repository import FleetRepository

    made = FleetRepository.create(context.obj[0], SystemClock())
    click.echo(f"repository: {made.root}\nfor every box: {made.root / 'metadata' / '1.root.json'}")
    click.echo(f"keys: {made.folder / 'keys'} (carry root-*.pem and releases-2.pem away to other hands)")


@fleet.command()
@_kind
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--release", required=True, help="The release's name; never used twice.")
@click.option("--epoch", type=click.IntRange(0), default=0, show_default=True, help="Raised when older ones must go.")
@click.option("--memory-mb", type=click.IntRange(1), default=2048, show_default=True, help="The most for one process.")
@click.pass_context
def publish(
    context: click.Context, *, kind: str, paths: tuple[Path, ...], release: str, epoch: int, memory_mb: int
) -> None:
    """Propose a model's bundle (a folder) or an application's wheels. Then two keys sign it."""
    from edge.fleet.admin import publish as publishing

    with _desk(context) as desk:
        if kind == "model":
            manifest = publishing.model_release(desk.repository, paths[0], release, epoch=epoch)
        else:
            manifest = publishing.application_release(desk.repository, paths, release, epoch=epoch, memory_mb=memory_mb)
        click.echo(f"{kind} {release}: {len(manifest.blobs)} files, {manifest.size / 1e6:.1f} MB; waits for signatures")


@fleet.command()
@click.argument("key")
@click.option("--role", default="releases", show_default=True)
@click.pass_context
def sign(context: click.Context, key: str, role: str) -> None:
    """Sign what waits, with one key."""
    with _desk(context) as desk:
        missing = desk.repository.sign(role, desk.repository.keys.signer(key))
        click.echo(f"{missing} more signatures needed" if missing else f"{role} published")


@fleet.command()
@_kind
@click.argument("release")
@click.option("--plan", "plan_path", type=click.Path(exists=True, path_type=Path), help="Stages, a TOML file.")
@click.option("--everywhere", is_flag=True, help="All at once, without a soak: for a fleet of a few.")
@click.option("--window", help="Local hours in which boxes change over: 22:00-05:00")
@click.option("--idle-s", type=click.IntRange(0), default=600, show_default=True, help="No exam for so long.")
@click.pass_context
def promote(
    context: click.Context,
    *,
    kind: str,
    release: str,
    plan_path: Path | None,
    everywhere: bool,
    window: str | None,
    idle_s: int,
) -> None:
    """Let a signed release spread: lab, 1 %, 5 %, 25 %, 100 %, or as a plan says. Goes on after a halt, too."""
    from edge.fleet.admin.conductor import Terms

    with _desk(context) as desk:
        halted = [s for s in desk.ledger.spreads("halted") if (s.kind, s.release) == (kind, release)]
        if halted and plan_path is None and not everywhere:
            desk.conductor.resume(_of(kind))
            click.echo(f"{kind} {release} goes on")
            return
        spread = desk.conductor.promote(
            _of(kind), release, _plan(plan_path, everywhere=everywhere), Terms(window, idle_s)
        )
        click.echo(f"{kind} {release}: {spread.where} (serial {desk.console.current().serial})")


def _plan(path: Path | None, *, everywhere: bool) -> Plan:
    import tomllib

    from edge.fleet.admin.plan import Plan, Stage

    if everywhere:
        return Plan(stages=(Stage(soak_s=0),))
    return Plan.model_validate(tomllib.loads(path.read_text(encoding="utf-8"))) if path else Plan()


@fleet.command()
@_kind
@click.pass_context
def pause(context: click.Context, kind: str) -> None:
    """Stop a spread: no box begins anything."""
    with _desk(context) as desk:
        desk.conductor.pause(_of(kind), "paused by the admin")
        click.echo(f"{kind}: paused (serial {desk.console.current().serial})")


@fleet.command()
@_kind
@click.argument("release")
@click.option("--floor", type=click.IntRange(0), help="From now on, nothing below this epoch.")
@click.pass_context
def rollback(context: click.Context, *, kind: str, release: str, floor: int | None) -> None:
    """Take every box to RELEASE; `factory` is what came with the boxes."""
    with _desk(context) as desk:
        desk.conductor.rollback(_of(kind), release)
        if floor is not None:
            desk.console.change(_of(kind), lambda channel: channel.model_copy(update={"floor_epoch": floor}))
        click.echo(f"{kind}: back to {release} (serial {desk.console.current().serial})")


@fleet.command()
@_kind
@click.argument("device")
@click.argument("release", required=False)
@click.pass_context
def pin(context: click.Context, *, kind: str, device: str, release: str | None) -> None:
    """Let one box run RELEASE whatever spreads; without RELEASE, free it."""
    from edge.fleet.admin.console import pinned

    with _desk(context) as desk:
        desk.console.change(_of(kind), lambda channel: pinned(channel, device, release))
        click.echo(f"{kind}: {device} {'runs ' + release if release else 'is free'}")


@fleet.command()
@click.pass_context
def status(context: click.Context) -> None:
    """What spreads, what runs where, what failed."""
    with _desk(context) as desk:
        for spread in desk.ledger.spreads():
            click.echo(f"{spread.kind} {spread.release}: {spread.state} at {spread.where}; {spread.why}")
        for kind, release, phase, count in desk.ledger.releases():
            click.echo(f"{kind} {release} ({phase}): {count}")
        for kind, release, why, count in desk.ledger.failures():
            click.echo(f"{kind} {release} failed: {count} ({why})")


@fleet.command()
@click.pass_context
def devices(context: click.Context) -> None:
    """Every box, the longest silent first."""
    with _desk(context) as desk:
        for row in desk.ledger.devices():
            runs = " ".join(f"{kind}={one['good']}" for kind, one in sorted(row.kinds.items()))
            click.echo(f"{row.device} {row.seen:%Y-%m-%dT%H:%MZ} {runs} {row.code}".rstrip())


@fleet.command()
@click.option(
    "--role", type=click.Choice(["timestamp", "rollouts", "releases", "targets", "root"]), default="timestamp"
)
@click.pass_context
def renew(context: click.Context, role: str) -> None:
    """Sign anew before signatures expire: nightly for the timestamp, twice a year for the others."""
    with _desk(context) as desk:
        missing = desk.repository.renew(role)
        click.echo(f"{missing} more signatures needed: calcedge fleet sign" if missing else f"{role} renewed")


@fleet.command()
@click.argument("key")
@click.option("--token", help="Take the key on this PKCS#11 token: hsm:ID?label=TOKEN")
@click.pass_context
def rotate(context: click.Context, key: str, token: str | None) -> None:
    """Put a fresh key in the place of KEY, lost or stolen, or one on a token. Needs two root keys here."""
    with _desk(context) as desk:
        missing = desk.repository.rotate(key, token)
        click.echo(f"{missing} more signatures needed: calcedge fleet sign" if missing else f"{key} is a new key now")


@fleet.command("verify-repo")
@click.pass_context
def verify_repo(context: click.Context) -> None:
    """Look at the repository as a box will. Exit 1 if a box would stumble."""
    from edge.clock import SystemClock
    from edge.fleet.admin.audit import faults

    with _desk(context) as desk:
        found = list(faults(desk.repository, desk.name, SystemClock()))
        for fault in found:
            click.echo(fault)
        click.echo("" if found else "all is well", nl=not found)
        sys.exit(1 if found else 0)


@fleet.command()
@click.argument("device")
@click.pass_context
def token(context: click.Context, device: str) -> None:
    """A token that enrols one box once."""
    click.echo(_authority(context).token(device))


@fleet.command("sign-request")
@click.argument("request_path", type=click.Path(exists=True, path_type=Path))
@click.argument("answer_path", type=_path)
@click.pass_context
def sign_request(context: click.Context, request_path: Path, answer_path: Path) -> None:
    """Sign a box's certificate request from a USB stick."""
    answer_path.write_bytes(_authority(context).sign(request_path.read_bytes()))
    click.echo(f"wrote {answer_path}")


def _authority(context: click.Context) -> Authority:
    from edge.clock import SystemClock
    from edge.fleet.admin.authority import Authority

    return Authority(context.obj[0] / "ca", SystemClock())


@fleet.command()
@click.option("--broker", help="Where the boxes' messages come from: mqtt://, mqtts:// or file://")
@click.option("--port", type=click.IntRange(1, 65535), default=8090, show_default=True, help="The page's port.")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--enrol-port", type=click.IntRange(1, 65535), help="Let boxes enrol and renew here, over TLS.")
@click.option("--enrol-host", default="0.0.0.0", show_default=True)  # noqa: S104 - boxes come from outside
@click.option("--every", "every_s", type=float, default=10.0, show_default=True, help="Seconds between judgements.")
@click.option("--once", is_flag=True, help="Take in what is there, judge once, end.")
@click.pass_context
def watch(
    context: click.Context,
    *,
    broker: str | None,
    port: int,
    host: str,
    enrol_port: int | None,
    enrol_host: str,
    every_s: float,
    once: bool,
) -> None:
    """Take in what boxes say, let spreads go on or stop, show the page, renew signatures nightly."""
    from edge.fleet.admin.watch import Watch
    from edge.signals import told_to_stop

    stop = told_to_stop()
    with _desk(context) as desk:
        watching = Watch(desk.repository, desk.name, desk.ledger, desk.conductor, broker)
        if once:
            for line in watching.once():
                click.echo(line)
            return
        click.echo(f"fleet page: http://{host}:{port}/")
        watching.run(stop, (host, port), (enrol_host, enrol_port) if enrol_port else None, every_s)


@fleet.command()
@click.option("--boxes", type=click.IntRange(1, 100), default=3, show_default=True)
@click.option("--into", type=_path, default=Path("boxes"), show_default=True, help="The folder of the boxes.")
@click.option("--broker", help="Where their messages go: mqtt:// or file://")
@click.option("--failing", multiple=True, help="A box on which every new release fails; may be given again.")
@click.option("--poll-s", type=click.IntRange(1), default=5, show_default=True)
@click.option("--probation-s", type=float, default=3.0, show_default=True)
@click.pass_context
def simulate(
    context: click.Context,
    *,
    boxes: int,
    into: Path,
    broker: str | None,
    failing: tuple[str, ...],
    poll_s: int,
    probation_s: float,
) -> None:
    """Simulated boxes of this fleet, to try things out on one machine. They only lack the appliance itself."""
    from edge import log
    from edge.fleet import simulate as simulated
    from edge.signals import told_to_stop

    log.configure("boxes")
    folder, name = context.obj
    stop = told_to_stop()
    repository = folder / "repo"
    trust = repository / "metadata" / "1.root.json"
    site = simulated.Site(into.resolve(), name, repository.as_uri(), trust, broker, poll_s, probation_s)
    click.echo(f"{boxes} simulated boxes in {into}")
    simulated.run(site, boxes, failing, stop)
