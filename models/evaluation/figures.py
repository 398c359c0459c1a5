"""The report's figures: FROC of phantoms and real hands, ROC of hands, reliability, Bland and Altman's plots."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from models.evaluation.plot import Plot

_FALSE: Final = "false marks per hand"
_RATES: Final = (0.05, 4.0)


def draw(folder: Path, result: Mapping[str, Any]) -> list[Path]:
    """Draws what a result holds; the files written."""
    figures = dict(_figures(result))
    for name, plot in figures.items():
        plot.save(folder / f"{name}.png")
    return [folder / f"{name}.png" for name in figures]


def _figures(result: Mapping[str, Any]) -> Iterator[tuple[str, Plot]]:
    phantoms = result["phantoms"]
    yield "froc-phantoms", _froc("Held-out phantoms", phantoms["froc"])
    curves = {
        f"{name}, {size}": report["froc"][size]
        for name, report in result.get("real_inserted", {}).items()
        for size in ("all", "1.5 mm and more")
    }
    if curves:
        yield "froc-inserted", _froc("Real hands with lesions put in", curves)
    yield "roc-hands", _roc(phantoms["hand_roc"])
    yield "reliability", _reliability(result)
    for name, slug in (("burden index", "burden"), ("calcified area, mm2", "area"), ("lesions (clusters)", "count")):
        yield f"agreement-{slug}", _agreement(name, phantoms["agreement"][name])


def _froc(title: str, curves: Mapping[str, Any]) -> Plot:
    plot = Plot(title, _FALSE, "sensitivity per lesion", x=_RATES, y=(0.0, 1.0), scale="log")
    for name, curve in curves.items():
        lesions = next(iter(curve.values()))["lesions"]
        plot.line([(float(rate), point["sensitivity"]) for rate, point in curve.items()], f"{name} (n = {lesions})")
    return plot


def _roc(roc: Mapping[str, Any]) -> Plot:
    title = f"Hands with and without lesions, phantoms: area {roc['area'] or 0:.3f}"
    plot = Plot(title, "1 - specificity", "sensitivity", x=(0.0, 1.0), y=(0.0, 1.0), scale="linear")
    plot.rule((0, 0), (1, 1))
    plot.line(roc["points"], f"{roc['positives']} with, {roc['negatives']} without", dots=False)
    return plot


def _reliability(result: Mapping[str, Any]) -> Plot:
    plot = Plot(
        "Does a score mean what it says?", "score", "part of marks that are right", x=(0, 1), y=(0, 1), scale="linear"
    )
    plot.rule((0, 0), (1, 1))
    sources = {"phantoms": result["phantoms"], **result.get("real_inserted", {})}
    for name, report in sources.items():
        calibration = report["calibration"]
        points = [(item["mean_score"], item["right"]) for item in calibration["bins"]]
        plot.line(points, f"{name}: ECE {calibration['ece']:.3f}")
    return plot


def _agreement(name: str, found: Mapping[str, Any]) -> Plot:
    """The difference against the mean, with the bias and the limits."""
    pairs = found["pairs"]
    means = [(measured + true) / 2 for measured, true in pairs]
    apart = [measured - true for measured, true in pairs]
    most, wide = max([*means, 1e-6]) * 1.05, max([abs(value) for value in apart] + [1e-6]) * 1.1
    title, x_label = f"{name}: ICC {found['icc'] or 0:.3f}", "mean of measured and true"
    plot = Plot(title, x_label, "measured - true", x=(0, most), y=(-wide, wide), scale="linear")
    plot.dots(list(zip(means, apart, strict=True)), f"{found['count']} hands")
    for value in (found["bias"], *found["limits"]):
        plot.rule((0, value or 0.0), (most, value or 0.0), "#c8553d")
    return plot
