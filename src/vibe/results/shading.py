"""How a surface answers light: a key light, a sky, the ground's reflection, a soft sheen and a rim."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, dataclass

import numba
import numpy as np
from jaxtyping import Float
from numpy import ndarray

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Light:
    """Light in the camera's frame; colours are linear, 1 is white."""

    towards: Triple = (-0.45, -0.70, -0.55)
    """Direction from the person to the key light."""
    up: Triple = (0.0, -1.0, 0.0)
    """Direction from the person to the sky."""
    key: Triple = (0.80, 0.78, 0.74)
    sky: Triple = (0.42, 0.45, 0.50)
    ground: Triple = (0.16, 0.14, 0.13)
    wrap: float = 0.25
    """How far round the edge of a form the key light reaches: 0 is hard, 1 is all round."""
    sheen: float = 0.10
    """Strength of the highlight."""
    gloss: float = 22.0
    """Sharpness of the highlight."""
    rim: float = 0.16
    """Strength of the light along outlines."""

    def packed(self) -> Float[ndarray, "19"]:
        """The numbers in the order of the fields, directions at unit length: what `shade` reads."""
        numbers = np.hstack(astuple(self)).astype(np.float64)
        numbers[0:3] /= np.linalg.norm(numbers[0:3])
        numbers[3:6] /= np.linalg.norm(numbers[3:6])
        return numbers


DAYLIGHT = Light()


def jit(function: Callable) -> Callable:
    """Compile on first use; the machine code stays on disk where numba finds a folder that it may write to."""
    try:
        return numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:
        return numba.njit(nogil=True, error_model="numpy")(function)


@jit
def shade(
    nx: float, ny: float, nz: float, vx: float, vy: float, vz: float, lit: float, light: Float[ndarray, "19"]
) -> tuple[float, float, float, float]:
    """Factor for the surface's own colour (three numbers, linear) and white light added on top.

    `n` is the unit normal, `v` the unit direction to the camera, `lit` the share of the key light that arrives.
    """
    towards_key = nx * light[0] + ny * light[1] + nz * light[2]
    diffuse = lit * max(0.0, (towards_key + light[15]) / (1.0 + light[15]))
    sky = 0.5 + 0.5 * (nx * light[3] + ny * light[4] + nz * light[5])
    red = diffuse * light[6] + sky * light[9] + (1.0 - sky) * light[12]
    green = diffuse * light[7] + sky * light[10] + (1.0 - sky) * light[13]
    blue = diffuse * light[8] + sky * light[11] + (1.0 - sky) * light[14]
    hx, hy, hz = vx + light[0], vy + light[1], vz + light[2]
    towards_half = (nx * hx + ny * hy + nz * hz) / max(1e-9, np.sqrt(hx * hx + hy * hy + hz * hz))
    facing = min(1.0, max(0.0, nx * vx + ny * vy + nz * vz))
    white = light[18] * sky * (1.0 - facing) ** 4
    if lit > 0.0 and towards_half > 0.7:
        white += lit * light[16] * towards_half ** light[17]
    return red, green, blue, white
