"""`calcedge backup`, `restore`, `scrub` and `salvage`: everything the appliance keeps, out, in again, and looked at."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from edge.config import load
from edge.errors import REASONS
from edge.flow import analyse_again
from edge.store import Database, Store
from edge.store.backup import DATABASE, write
from edge.store.backup import restore as put_back
from edge.store.scrub import QUARANTINE, set_apart_unnamed
from edge.store.scrub import salvage as save
from edge.store.scrub import scrub as damages

_config = click.option("--config", "config_path", type=click.Path(exists=True, path_type=Path), help="A TOML file.")
_data = click.option("--data", type=click.Path(path_type=Path), help="The store's folder, instead of the configured.")


@click.command()
@click.argument("target", type=click.Path(dir_okay=False, path_type=Path))
@_config
@_data
def backup(target: Path, config_path: Path | None, data: Path | None) -> None:
    """Write everything the appliance keeps to TARGET, a tar file, while it runs. It holds patient data."""
    store = Store.open(load(config_path, data.resolve() if data else None).data)
    with target.open("xb") as out:
        target.chmod(0o600)
        click.echo(f"{write(store, out)} objects in {target}")
    store.close()


@click.command()
@click.argument("source", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_config
@_data
def restore(source: Path, config_path: Path | None, data: Path | None) -> None:
    """Put the backup SOURCE into an appliance that has no store yet. Every object is proven first."""
    with source.open("rb") as chunks:
        count = put_back(chunks, load(config_path, data.resolve() if data else None).data)
    click.echo(f"{count} objects restored")


@click.command()
@_config
@_data
@click.option("--again", is_flag=True, help="Analyse the images again whose results are damaged.")
def scrub(config_path: Path | None, data: Path | None, again: bool) -> None:  # noqa: FBT001 - click calls it by name
    """Read everything that is kept, while it is used; name what the disk has damaged, and set it apart."""
    store = Store.open(load(config_path, data.resolve() if data else None).data)
    found = list(damages(store))
    for damage in found:
        whose = ", ".join(f"image {number}" for number in damage.images)
        click.echo(f"{damage.code}: {damage.what}{f' of {whose}' if whose else ''}: {REASONS[damage.code].do}")
        if again and not damage.original:
            for number in damage.images:
                click.echo(
                    f"image {number}: {'analysed again' if analyse_again(store, number, 'scrub') else 'not yet'}"
                )
    store.close()
    click.echo(f"{len(found)} damaged; set apart in {QUARANTINE}/" if found else "everything is sound")
    sys.exit(bool(found))


@click.command()
@_config
@_data
def salvage(config_path: Path | None, data: Path | None) -> None:
    """Save what can be read of a damaged database. Stop the appliance first; a backup that is whole is better."""
    root = load(config_path, data.resolve() if data else None).data
    fresh = root / f"{DATABASE}.fresh"
    fresh.unlink(missing_ok=True)
    Database(fresh).close()
    for table, rows in save(root, DATABASE, fresh).items():
        click.echo(f"{table}: {rows} saved")
    store = Store.open(root)
    unnamed = set_apart_unnamed(store)
    store.close()
    click.echo(
        f"the damaged database is in {QUARANTINE}/, with {unnamed} objects whose rows it lost: give those that are"
    )
    click.echo("images to the watched folder, or send the newest images again")
