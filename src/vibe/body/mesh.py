"""Triangle meshes: functions over their vertices, compiled."""

from __future__ import annotations

from collections.abc import Callable

import numba
import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray


def jit(function: Callable) -> Callable:
    """Compile on first use; the machine code stays on disk where numba finds a folder that it may write to."""
    try:
        return numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:
        return numba.njit(nogil=True, error_model="numpy")(function)


@jit
def vertex_normals(vertices: Float[ndarray, "vertex 3"], faces: Int[ndarray, "face 3"]) -> Float[ndarray, "vertex 3"]:
    """Mean of the normals of the faces around each vertex, weighted by area; outwards, of unit length."""
    normals = np.zeros((len(vertices), 3), np.float32)
    for face in range(len(faces)):
        i, j, k = faces[face, 0], faces[face, 1], faces[face, 2]
        ax, ay, az = vertices[j, 0] - vertices[i, 0], vertices[j, 1] - vertices[i, 1], vertices[j, 2] - vertices[i, 2]
        bx, by, bz = vertices[k, 0] - vertices[i, 0], vertices[k, 1] - vertices[i, 1], vertices[k, 2] - vertices[i, 2]
        nx, ny, nz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
        for corner in (i, j, k):
            normals[corner, 0] += nx
            normals[corner, 1] += ny
            normals[corner, 2] += nz
    for vertex in range(len(normals)):
        n = normals[vertex]
        n /= max(np.float32(1e-20), np.sqrt(n[0] * n[0] + n[1] * n[1] + n[2] * n[2]))
    return normals
