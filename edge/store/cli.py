"""`calcedge vault`, the store's encryption at rest, and `calcedge audit`, the proof of its trail: docs/security.md."""

from __future__ import annotations

from pathlib import Path

import click

_config = click.option("--config", "config_path", type=click.Path(exists=True, path_type=Path), help="A TOML file.")
_data = click.option("--data", type=click.Path(path_type=Path), help="The store's folder, instead of the configured.")
_folder = click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
_key = click.option(
    "--key", "key_path", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The key."
)


@click.group()
def vault() -> None:
    """Encryption of the store at rest: a key, encrypting, unlocking after a boot."""


@vault.command()
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
def key(path: Path) -> None:
    """Make a new key in the file PATH. Keep a copy where the appliance is not: without it everything is lost."""
    from edge.store.vault import new_key

    try:
        new_key(path)
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}") from error
    click.echo(f"{path} holds the key; keep a copy in another place, and nobody else may have it")


@vault.command()
@_folder
@_key
def encrypt(folder: Path, key_path: Path) -> None:
    """Encrypt the store's FOLDER. The appliance must be stopped."""
    from edge.store.vault import encrypt as encrypt_folder
    from edge.store.vault import read_key

    encrypt_folder(folder.resolve(), read_key(key_path))
    click.echo(f"{folder} is encrypted")


@vault.command()
@_folder
@_key
def unlock(folder: Path, key_path: Path) -> None:
    """Unlock the store's FOLDER, after a boot."""
    from edge.store.vault import read_key
    from edge.store.vault import unlock as unlock_folder

    unlock_folder(folder.resolve(), read_key(key_path))


@vault.command()
@_folder
def lock(folder: Path) -> None:
    """Forget the key. The appliance must be stopped."""
    from edge.store.vault import lock as lock_folder

    lock_folder(folder.resolve())
    click.echo(f"{folder} is locked")


@vault.command()
@_folder
def state(folder: Path) -> None:
    """Tell how the store's FOLDER stands: plain, open, locked, or unable to be encrypted."""
    from edge.store.vault import state as state_of

    click.echo(state_of(folder.resolve()))


@click.group()
def audit() -> None:
    """The audit trail: prove that nothing was changed, removed or moved."""


@audit.command()
@_config
@_data
@click.option("--noted", help="A head noted earlier (ID:HASH): the trail must still hold it.")
def verify(config_path: Path | None, data: Path | None, noted: str | None) -> None:
    """Read the whole trail, tell what is wrong with it, and its head. Exit 1 if anything is."""
    from edge.config import load
    from edge.store import Store
    from edge.store.audit import Head, faults, head

    try:
        expected = Head.parse(noted) if noted else None
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    store = Store.open(load(config_path, data.resolve() if data else None).data)
    with store.read() as connection:
        found = list(faults(connection, expected))
        newest = head(connection)
    store.close()
    for fault in found:
        click.echo(str(fault))
    click.echo(f"{newest.id} events, {'whole' if not found else f'{len(found)} faults'}; head {newest}")
    raise SystemExit(1 if found else 0)
