"""X-rays through a hand: attenuation of a polychromatic beam, scatter, blur and quantum noise.

Coefficients: computed once with SpekPy 2.5 and xraylib (tungsten anode 12 degrees, 2.8 mm Al, CsI 0.55 mm, energy
integrating) behind 15 mm of soft tissue. Hardening by mineral follows one saturating curve that agrees with the
polyenergetic tables within 3 % up to 5 mm of cortical bone (see tests).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import ndimage

from models.phantom.raster import Map

KVP: Final = (45.0, 50.0, 55.0, 60.0, 70.0)
SOFT_PER_MM: Final = (0.0386, 0.0355, 0.0333, 0.0317, 0.0293)
CORTICAL_PER_MM: Final = (0.238, 0.205, 0.181, 0.163, 0.139)
"""Cortical bone of 1.92 g/cm3."""
HYDROXYAPATITE_PER_MM: Final = (0.615, 0.524, 0.459, 0.410, 0.343)
"""Solid hydroxyapatite of 3.16 g/cm3; a lesion holds it at a packing of 0.08 to 0.8."""
METAL_PER_CORTICAL: Final = 21.0
HARDENING: Final = 0.236
PHOTONS_PER_MM2_UGY: Final = (12_300.0, 13_600.0, 14_700.0, 15_800.0, 17_600.0)
_DETECTOR_EFFICIENCY: Final = 0.75


@dataclass(frozen=True, slots=True)
class Exposure:
    """Technique and detector of one exposure."""

    kvp: float
    detector_dose_ugy: float
    """Air kerma at the detector in the open field."""
    scatter_fraction: float
    blur_mm: float


def sample_exposure(rng: np.random.Generator) -> Exposure:
    """What portable units and rooms use for hands."""
    return Exposure(
        kvp=float(rng.uniform(46, 66)),
        detector_dose_ugy=float(np.exp(rng.uniform(np.log(1.5), np.log(14)))),
        scatter_fraction=float(rng.uniform(0.05, 0.3)),
        blur_mm=float(rng.uniform(0.05, 0.18)),
    )


def coefficient(table: tuple[float, ...], kvp: float) -> float:
    """A column of the tables at any tube voltage, linear between."""
    return float(np.interp(kvp, KVP, table))


def mineral_contrast(bone_mm: Map, hydroxyapatite_mm: Map, metal_mm: Map, kvp: float) -> Map:
    """By how much -ln I grows when mineral takes the place of soft tissue."""
    soft = coefficient(SOFT_PER_MM, kvp)
    cortical = coefficient(CORTICAL_PER_MM, kvp)
    apatite = coefficient(HYDROXYAPATITE_PER_MM, kvp)
    added = np.float32(cortical - soft) * bone_mm + np.float32(apatite - soft) * hydroxyapatite_mm
    added = added + np.float32(METAL_PER_CORTICAL * cortical) * metal_mm
    contrast: Map = added / (1 + np.float32(HARDENING) * added)
    return contrast


def attenuation(soft_mm: Map, bone_mm: Map, hydroxyapatite_mm: Map, metal_mm: Map, kvp: float) -> Map:
    """-ln of the primary beam's energy behind the object, relative to the open field."""
    soft = np.float32(coefficient(SOFT_PER_MM, kvp)) * soft_mm
    total: Map = soft + mineral_contrast(bone_mm, hydroxyapatite_mm, metal_mm, kvp)
    return total


def expose(depth: Map, pitch_mm: float, exposure: Exposure, rng: np.random.Generator) -> Map:
    """-ln of the detected signal, from -ln of the primary: scatter, blur, quantum and electronic noise.

    Args:
        depth: -ln of the primary beam.
        pitch_mm: of the map; the noise is that of a detector averaged to this pitch.
        exposure: technique and detector.
        rng: source of the noise.
    """
    primary = np.exp(-depth)
    step = 8
    coarse = primary[::step, ::step]
    sigma = float(rng.uniform(12, 25)) / (pitch_mm * step)
    spread = ndimage.gaussian_filter(coarse, sigma, mode="nearest")
    spread = ndimage.zoom(spread, (primary.shape[0] / spread.shape[0], primary.shape[1] / spread.shape[1]), order=1)
    fraction = np.float32(exposure.scatter_fraction)
    signal = (1 - fraction) * primary + fraction * spread[: primary.shape[0], : primary.shape[1]]
    signal = ndimage.gaussian_filter(signal, exposure.blur_mm / pitch_mm)
    quanta = coefficient(PHOTONS_PER_MM2_UGY, exposure.kvp) * exposure.detector_dose_ugy * pitch_mm**2
    quanta *= _DETECTOR_EFFICIENCY
    white = rng.standard_normal(size=signal.shape, dtype=np.float32)
    deviation = np.sqrt(np.maximum(signal, 1e-4) / np.float32(quanta) + np.float32(0.0015**2))
    noisy = signal + white * deviation
    out: Map = -np.log(np.maximum(noisy, np.float32(2e-3)))
    return out
