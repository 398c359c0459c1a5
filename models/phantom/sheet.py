"""Films for people: PNG pictures, their truth as JSON, and a contact sheet to hold beside real hands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from models.phantom.film import Film, make_film
from models.phantom.render import render

_TILE = 390, 500


def write_films(folder: Path, seeds: range) -> Iterator[str]:
    """Writes `film_<seed>.png` and `.json` for each seed and `contact_sheet.png`; yields a line for each film."""
    folder.mkdir(parents=True, exist_ok=True)
    across = min(4, max(1, len(seeds)))
    sheet = Image.new("L", (across * _TILE[0], -(-len(seeds) // across) * _TILE[1]))
    for index, seed in enumerate(seeds):
        film = make_film(seed)
        picture = render(film, 0)
        image = Image.fromarray(np.round(picture.image * 255).astype(np.uint8))
        image.save(folder / f"film_{seed}.png")
        (folder / f"film_{seed}.json").write_text(json.dumps(truth_of(film), indent=1) + "\n", encoding="utf-8")
        image.thumbnail(_TILE)
        sheet.paste(image, (index % across * _TILE[0], index // across * _TILE[1]))
        hands, found = len(film.hands), len(film.lesions)
        yield f"film {seed}: {film.grid.rows} x {film.grid.columns}, {hands} hand(s), {found} lesion(s)"
    sheet.save(folder / "contact_sheet.png")


def truth_of(film: Film) -> dict[str, Any]:
    """What is known of a film, as plain values."""
    return {
        "seed": film.seed,
        "mm_per_pixel": film.grid.pitch_mm,
        "person": {"age_years": round(film.person.age_years, 1), "sex": film.person.sex},
        "hands": [asdict(hand) for hand in film.hands],
        "lesions": [asdict(lesion) for lesion in film.lesions],
        "sesamoids": [asdict(sesamoid) for sesamoid in film.sesamoids],
    }
