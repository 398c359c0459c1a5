"""`calcedge-models`: make phantoms, train, export, evaluate. Training and export need torch."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import click

_CONFIG = Path(__file__).parent / "training" / "default.toml"
_RELEASES = Path(__file__).parent / "releases"
_folder = click.Path(path_type=Path, exists=True, file_okay=False, resolve_path=True)


@click.group()
def main() -> None:
    """Models of calcedge: from a physical phantom to a release."""


@main.command()
@click.option("--seed", default=1, show_default=True, help="The first film's seed.")
@click.option("--count", default=8, show_default=True, help="How many films.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for the films.")
def phantom(seed: int, count: int, out: Path) -> None:
    """Makes phantom films: PNG pictures, their truth as JSON, and one contact sheet to look at."""
    from models.phantom.sheet import write_films

    for line in write_films(out, range(seed, seed + count)):
        click.echo(line)


@main.command()
@click.option("--config", type=click.Path(path_type=Path, exists=True), default=_CONFIG, show_default=True)
@click.option("--only", type=click.Choice(["data", "anatomy", "lesions", "distal"]), help="Do only this part.")
def train(config: Path, only: str | None) -> None:
    """Makes the samples and trains the networks. Starts again where it stopped."""
    from models.training.run import train_all

    train_all(_read(config), only=only)


@main.command()
@click.option("--config", type=click.Path(path_type=Path, exists=True), default=_CONFIG, show_default=True)
@click.option(
    "--release", type=click.Path(path_type=Path), help="The release's folder; named after the model otherwise."
)
def export(config: Path, release: Path | None) -> None:
    """Writes the release: the graphs, the golden films and the manifest with safe thresholds, before evaluation."""
    from models.training.run import export_all

    settings = _read(config)
    click.echo(export_all(settings, release or release_folder(settings)))


@main.command()
@click.option("--config", type=click.Path(path_type=Path, exists=True), default=_CONFIG, show_default=True)
@click.option("--release", type=click.Path(path_type=Path), help="The release's folder.")
@click.option("--films", default=140, show_default=True, help="Held-out phantom hands, and as many for thresholds.")
@click.option("--real", type=_folder, help="Folder of real hands; never trained on.")
@click.option("--foreign", type=_folder, help="Folder of DICOM files that show no hand.")
@click.option("--processes", default=2, show_default=True, help="That work at the same time.")
@click.option("--quick", is_flag=True, help="A sixth of the films: to see whether something is wrong.")
@click.option("--set-thresholds/--keep-thresholds", default=False, help="Choose thresholds from phantoms of their own.")
def evaluate(
    *,
    config: Path,
    release: Path | None,
    films: int,
    real: Path | None,
    foreign: Path | None,
    processes: int,
    quick: bool,
    set_thresholds: bool,
) -> None:
    """Measures a release on held-out phantoms and, where given, on real hands; writes its evaluation and card."""
    from models.evaluation import run

    settings = _read(config)
    folder = release or release_folder(settings)
    plan = run.Plan(
        tuning=films if set_thresholds else 0, measured=films, real=real, foreign=foreign, processes=processes
    )
    run.evaluate_release(folder, settings, run.quick(plan) if quick else plan)
    click.echo((folder / "card.md").read_text(encoding="utf-8"))


@main.command()
@click.option("--config", type=click.Path(path_type=Path, exists=True), default=_CONFIG, show_default=True)
@click.option("--release", type=_folder, help="The release's folder.")
@click.option("--foreign", type=_folder, help="Folder of DICOM files that show no hand: run again.")
def card(config: Path, release: Path | None, foreign: Path | None) -> None:
    """Writes card and figures of a release anew from its evaluation.json, without measuring again."""
    from models.evaluation.run import rewrite

    settings = _read(config)
    click.echo(rewrite(release or release_folder(settings), settings, foreign))


@main.command()
@click.option("--release", type=_folder, required=True, help="The release's folder; it stays as it is.")
@click.option("--films", default=40, show_default=True, help="Held-out phantom hands.")
def precision(release: Path, films: int) -> None:
    """Compares int8 and bfloat16 variants of a release with fp32: burden index, sensitivity, time."""
    from models.evaluation import precision as variants
    from models.evaluation.run import CACHE

    click.echo(json.dumps(variants.compare(release, CACHE, films), indent=1))


def release_folder(settings: dict[str, Any]) -> Path:
    """Where a configuration's release lies."""
    return _RELEASES / f"{settings['release']['name']}-{settings['release']['version']}"


def _read(config: Path) -> dict[str, Any]:
    return tomllib.loads(config.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
