"""`calcedge people`: accounts from the terminal, for whoever has the machine. Secrets are asked for, no arguments."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from edge.config import Config
    from edge.people.register import Register

LINK_S: Final = 900.0
_ACTOR: Final = "terminal"

_config = click.option("--config", "config_path", type=click.Path(exists=True, path_type=Path), help="A TOML file.")
_data = click.option("--data", type=click.Path(path_type=Path), help="The store's folder, instead of the configured.")


@click.group()
def people() -> None:
    """Who may use the page: the set-up code, accounts, a link for a forgotten password."""


@people.command()
@_config
@_data
def code(config_path: Path | None, data: Path | None) -> None:
    """Tell the set-up code of a fresh appliance."""
    from edge.people.setup import make_code

    config, register = _open(config_path, data)
    if register.is_set_up:
        raise click.ClickException("the appliance is set up: there is an admin")
    click.echo(make_code(config))


@people.command()
@click.argument("name")
@click.option("--role", type=click.Choice(["technician", "clinician", "admin"]), required=True)
@click.option("--pin", "with_pin", is_flag=True, help="Ask for a PIN instead of a password.")
@_config
@_data
def add(*, name: str, role: str, with_pin: bool, config_path: Path | None, data: Path | None) -> None:
    """Add an account. Asks for the password, or the PIN."""
    from edge.people.register import NotAllowed
    from edge.people.roles import Role

    _, register = _open(config_path, data)
    secret = click.prompt("PIN" if with_pin else "Password", hide_input=True, confirmation_prompt=True)
    try:
        register.add(name, Role(role), actor=_ACTOR, **{"pin" if with_pin else "password": secret})
    except NotAllowed as refusal:
        raise click.ClickException(f"not added: {refusal.trouble}") from refusal
    click.echo(f"{name} may sign in")


@people.command()
@click.argument("name")
@_config
@_data
def link(name: str, config_path: Path | None, data: Path | None) -> None:
    """A link that signs NAME in once, within 15 minutes."""
    config, register = _open(config_path, data)
    account = register.named(name)
    if account is None:
        raise click.ClickException("there is no such account")
    token = register.link(account.id, within_s=LINK_S, once=True)
    click.echo(f"http://{config.web.host}:{config.web.port}/enter/{token}")


@people.command("list")
@_config
@_data
def everybody(config_path: Path | None, data: Path | None) -> None:
    """Who may sign in."""
    _, register = _open(config_path, data)
    for account in register.everybody():
        click.echo(f"{account.name}: {account.role}{'' if account.active else ', may not sign in'}")


def _open(config_path: Path | None, data: Path | None) -> tuple[Config, Register]:
    from edge.config import load
    from edge.people.register import Register
    from edge.store import Store

    config = load(config_path, data.resolve() if data else None)
    return config, Register(Store.open(config.data))
