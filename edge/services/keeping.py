"""`calcedge backup` and `calcedge restore`: everything the appliance keeps, out and in again."""

from __future__ import annotations

from pathlib import Path

import click

from edge.config import load
from edge.store import Store
from edge.store.backup import restore as put_back
from edge.store.backup import write

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
