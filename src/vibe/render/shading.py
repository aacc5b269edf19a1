"""Shading of a surface: a key light, a sky, the ground's reflection, a soft sheen and a rim."""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from vibe.body.mesh import jit

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Light:
    """Light in the camera's frame; colours are linear, 1 is white."""

    towards: Triple = (-0.45, -0.70, -0.55)
    """Direction from the person to the key light."""
    up: Triple = (0.0, -1.0, 0.0)
    """Direction from the person to the sky."""
    key: Triple = (0.92, 0.90, 0.86)
    sky: Triple = (0.32, 0.35, 0.40)
    ground: Triple = (0.12, 0.11, 0.10)
    wrap: float = 0.25
    """How far round the edge of a form the key light reaches: 0 is hard, 1 is all round."""
    sheen: float = 0.10
    """Strength of the highlight."""
    gloss: float = 22.0
    """Sharpness of the highlight."""
    rim: float = 0.16
    """Strength of the light along outlines."""

    def packed(self) -> Float[ndarray, "19"]:
        """The numbers in the order of the fields, directions at unit length: what `shaded` reads."""
        numbers = np.hstack(astuple(self)).astype(np.float64)
        numbers[0:3] /= np.linalg.norm(numbers[0:3])
        numbers[3:6] /= np.linalg.norm(numbers[3:6])
        return numbers


DAYLIGHT = Light()


@jit
def shaded(
    vertices: Float[ndarray, "vertex 3"],
    normals: Float[ndarray, "vertex 3"],
    colours: Float[ndarray, "vertex 3"],
    lit: Float[ndarray, "vertex"],
    opacity: float,
    light: Float[ndarray, "19"],
) -> Float[ndarray, "vertex 4"]:
    """What the camera sees of each vertex: sRGB from 0 to 255, and the opacity.

    Normals have unit length, colours are sRGB in [0, 1], `lit` is the share of the key light that arrives.
    """
    seen = np.empty((len(vertices), 4), np.float32)
    for vertex in range(len(vertices)):
        v, n = vertices[vertex], normals[vertex]
        far = max(1e-9, np.sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]))
        vx, vy, vz = -v[0] / far, -v[1] / far, -v[2] / far
        # wrapped: limbs that turn away from the light fade softly instead of ending in a hard edge
        diffuse = max(0.0, (n[0] * light[0] + n[1] * light[1] + n[2] * light[2] + light[15]) / (1.0 + light[15]))
        diffuse *= lit[vertex]
        sky = 0.5 + 0.5 * (n[0] * light[3] + n[1] * light[4] + n[2] * light[5])
        facing = n[0] * vx + n[1] * vy + n[2] * vz
        hx, hy, hz = vx + light[0], vy + light[1], vz + light[2]
        gloss = max(0.0, n[0] * hx + n[1] * hy + n[2] * hz) / max(1e-9, np.sqrt(hx * hx + hy * hy + hz * hz))
        white = light[16] * lit[vertex] * gloss ** light[17] + light[18] * sky * max(0.0, 1.0 - abs(facing)) ** 4
        for channel in range(3):
            own = colours[vertex, channel] * colours[vertex, channel]
            arrives = diffuse * light[6 + channel] + sky * light[9 + channel] + (1.0 - sky) * light[12 + channel]
            seen[vertex, channel] = 255.0 * np.sqrt(min(1.0, own * arrives + white))
        seen[vertex, 3] = opacity
    return seen
