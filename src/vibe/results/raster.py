"""Triangle meshes drawn over a picture on the CPU: one depth buffer for everybody, smooth shading, soft edges.

Works in homogeneous pixels: the three edges and the inverse depth of a triangle are linear functions of the pixel,
also for triangles that reach behind the camera, so that nothing needs to be clipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt8
from numpy import ndarray

from vibe.results.shading import DAYLIGHT, Light, jit, shade

NEAR = 0.05
"""Metres; what is closer to the camera is not drawn."""
BAND_ROWS = 64
"""Rows drawn at a time, so that the buffers stay small and in cache."""
SAMPLES = {
    1: ((0.5, 0.5),),
    4: ((0.375, 0.125), (0.875, 0.375), (0.125, 0.625), (0.625, 0.875)),
    8: (
        (0.5625, 0.3125), (0.4375, 0.6875), (0.8125, 0.5625), (0.3125, 0.1875),
        (0.1875, 0.8125), (0.0625, 0.4375), (0.6875, 0.9375), (0.9375, 0.0625),
    ),
}  # fmt: skip
"""Where in a pixel (x, y) visibility is tested, by number of tests."""


@dataclass(frozen=True)
class Mesh:
    """One person's surface in the camera's frame."""

    vertices: Float[ndarray, "vertex 3"]
    """Metres; x right, y down, z forward."""
    faces: Int[ndarray, "face 3"]
    """Counter-clockwise seen from outside; faces turned away from the camera are not drawn."""
    colours: Float[ndarray, "vertex 3"]
    """sRGB in [0, 1]."""
    lit: Float[ndarray, "vertex"] | None = None
    """Share of the key light that arrives, in [0, 1]; all of it if None."""
    opacity: float = 1.0


def draw(
    rgb: UInt8[ndarray, "height width 3"],
    meshes: Sequence[Mesh],
    K_px: Float[ndarray, "3 3"],
    light: Light = DAYLIGHT,
    samples: int = 4,
) -> UInt8[ndarray, "height width 3"]:
    """The picture with the meshes over it, nearer ones in front; a new array.

    `samples` is the number of visibility tests in a pixel: 1, 4 or 8. Raises ValueError for another number.
    """
    picture = np.ascontiguousarray(rgb).copy()
    if not meshes:
        return picture
    scene = _Scene.of(meshes, K_px)
    normals = np.concatenate([vertex_normals(mesh.vertices, mesh.faces) for mesh in meshes])
    surface = np.concatenate([_surface(mesh) for mesh in meshes])
    rays = np.linalg.inv(np.asarray(K_px, np.float64))
    for y, x, planes, nearest in scene.bands(*picture.shape[:2], samples):
        _colour(picture, nearest, y, x, planes, scene.faces, normals, surface, rays, light.packed())
    return picture


def coverage(
    vertices: Float[ndarray, "vertex 3"],
    faces: Int[ndarray, "face 3"],
    K_px: Float[ndarray, "3 3"],
    height: int,
    width: int,
    samples: int = 4,
) -> Float[ndarray, "height width"]:
    """Share of each pixel that the surface covers, in [0, 1]."""
    shares = np.zeros((height, width), np.float32)
    scene = _Scene.of([Mesh(vertices, faces, np.zeros_like(vertices))], K_px)
    for y, x, _, nearest in scene.bands(height, width, samples):
        rows, columns = nearest.shape[1:]
        shares[y : y + rows, x : x + columns] = (nearest >= 0).mean(0)
    return shares


def depth(
    vertices: Float[ndarray, "vertex 3"], faces: Int[ndarray, "face 3"], K_px: Float[ndarray, "3 3"], height: int, width: int
) -> Float[ndarray, "height width"]:
    """Depth in metres of the nearest surface at the middle of each pixel; infinite where there is none."""
    image = np.full((height, width), np.inf, np.float32)
    scene = _Scene.of([Mesh(vertices, faces, np.zeros_like(vertices))], K_px)
    for y, x, planes, nearest in scene.bands(height, width, 1):
        _depth(image, nearest[0], y, x, planes)
    return image


@jit
def vertex_normals(
    vertices: Float[ndarray, "vertex 3"], faces: Int[ndarray, "face 3"]
) -> Float[ndarray, "vertex 3"]:
    """Mean of the normals of the faces around each vertex, weighted by area; outwards, not of unit length."""
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
    return normals


def _surface(mesh: Mesh) -> Float[ndarray, "vertex 5"]:
    """Linear colour, share of the key light and opacity of each vertex."""
    surface = np.ones((len(mesh.vertices), 5), np.float32)
    surface[:, :3] = np.square(mesh.colours)
    if mesh.lit is not None:
        surface[:, 3] = mesh.lit
    surface[:, 4] = mesh.opacity
    return surface


@dataclass(frozen=True)
class _Scene:
    """All triangles together, ready to be tested for visibility."""

    corners: Float[ndarray, "vertex 3"]
    """Homogeneous pixels: x * z, y * z, z."""
    faces: Int[ndarray, "face 3"]

    @staticmethod
    def of(meshes: Sequence[Mesh], K_px: Float[ndarray, "3 3"]) -> _Scene:
        offsets = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes])
        faces = [np.asarray(mesh.faces, np.int32) + offset for mesh, offset in zip(meshes, offsets)]
        vertices = np.concatenate([mesh.vertices for mesh in meshes]).astype(np.float64)
        return _Scene(vertices @ np.asarray(K_px, np.float64).T, np.concatenate(faces))

    def bands(self, height: int, width: int, samples: int):
        """Top row, left column, planes of the faces and, for each sample of the band, the nearest face (-1: none)."""
        if samples not in SAMPLES:
            raise ValueError(f"{samples} visibility tests in a pixel: choose 1, 4 or 8")
        planes, boxes = _set_up(self.corners, self.faces, height, width)
        shown = boxes[boxes[:, 0] < boxes[:, 1]]
        if not len(shown):
            return
        left, right, top, bottom = shown[:, 0].min(), shown[:, 1].max(), shown[:, 2].min(), shown[:, 3].max()
        offsets = np.array(SAMPLES[samples])
        for y in range(top, bottom, BAND_ROWS):
            nearest = _visible(planes, boxes, left, right, y, min(y + BAND_ROWS, bottom), offsets)
            yield y, left, planes, nearest


@jit
def _set_up(corners, faces, height, width):
    """For each face three edges (positive inside) and the inverse depth, each as a * x + b * y + c; and its box.

    The box is left, right, top, bottom in whole pixels, the second of each pair exclusive; empty if nothing shows.
    """
    planes = np.zeros((len(faces), 4, 3))
    boxes = np.zeros((len(faces), 4), np.int32)
    for face in range(len(faces)):
        p, q, r = corners[faces[face, 0]], corners[faces[face, 1]], corners[faces[face, 2]]
        edges = planes[face]
        _cross(r, q, edges[0])
        _cross(p, r, edges[1])
        _cross(q, p, edges[2])
        volume = edges[0, 0] * p[0] + edges[0, 1] * p[1] + edges[0, 2] * p[2]
        if not 1e-12 < volume < np.inf:
            continue
        for axis in range(3):
            edges[3, axis] = (edges[0, axis] + edges[1, axis] + edges[2, axis]) / volume
        low_x, high_x, low_y, high_y = _extent(p, q, r)
        left, right = max(0.0, np.floor(low_x)), min(float(width), np.ceil(high_x))
        top, bottom = max(0.0, np.floor(low_y)), min(float(height), np.ceil(high_y))
        if left < right and top < bottom:
            boxes[face, 0], boxes[face, 1], boxes[face, 2], boxes[face, 3] = left, right, top, bottom
    return planes, boxes


@jit
def _cross(a, b, out):
    out[0] = a[1] * b[2] - a[2] * b[1]
    out[1] = a[2] * b[0] - a[0] * b[2]
    out[2] = a[0] * b[1] - a[1] * b[0]


@jit
def _extent(p, q, r):
    """Least and greatest x and y, in pixels, of the part of the triangle that lies before the near plane."""
    low_x, high_x, low_y, high_y = np.inf, -np.inf, np.inf, -np.inf
    for a, b in ((p, q), (q, r), (r, p)):
        if a[2] >= NEAR:
            x, y = a[0] / a[2], a[1] / a[2]
            low_x, high_x, low_y, high_y = min(low_x, x), max(high_x, x), min(low_y, y), max(high_y, y)
        if (a[2] >= NEAR) != (b[2] >= NEAR):
            share = (NEAR - a[2]) / (b[2] - a[2])
            x, y = (a[0] + share * (b[0] - a[0])) / NEAR, (a[1] + share * (b[1] - a[1])) / NEAR
            low_x, high_x, low_y, high_y = min(low_x, x), max(high_x, x), min(low_y, y), max(high_y, y)
    return low_x, high_x, low_y, high_y


@jit
def _visible(planes, boxes, left, right, top, bottom, offsets):
    """The nearest face at each sample of a band of rows; -1 where there is none."""
    nearest = np.full((len(offsets), bottom - top, right - left), -1, np.int32)
    inverse_depth = np.zeros(nearest.shape, np.float32)
    for face in range(len(planes)):
        if boxes[face, 0] >= boxes[face, 1] or boxes[face, 3] <= top or boxes[face, 2] >= bottom:
            continue
        edges = planes[face]
        for row in range(max(boxes[face, 2], top), min(boxes[face, 3], bottom)):
            for sample in range(len(offsets)):
                dx, y = offsets[sample, 0], row + offsets[sample, 1]
                first, last = _span(edges, y, dx, boxes[face, 0], boxes[face, 1])
                slope, start = edges[3, 0], edges[3, 1] * y + edges[3, 2] + edges[3, 0] * dx
                depths, faces = inverse_depth[sample, row - top], nearest[sample, row - top]
                for column in range(first, last):
                    here = np.float32(slope * column + start)
                    if depths[column - left] < here < 1.0 / NEAR:
                        depths[column - left] = here
                        faces[column - left] = face
    return nearest


@jit
def _span(edges, y, dx, first, last):
    """The columns of a row whose sample lies inside all three edges; neighbours share no sample and leave none out."""
    for edge in range(3):
        slope, level = edges[edge, 0], edges[edge, 1] * y + edges[edge, 2]
        if slope > 0.0:
            first = max(first, np.ceil(min(1e9, max(-1e9, -level / slope - dx))))
        elif slope < 0.0:
            last = min(last, np.ceil(min(1e9, max(-1e9, -level / slope - dx))))
        elif level < 0.0:
            last = first
    return int(first), int(last)


@jit
def _depth(image, nearest, top, left, planes):
    for row in range(nearest.shape[0]):
        for column in range(nearest.shape[1]):
            if nearest[row, column] >= 0:
                plane = planes[nearest[row, column], 3]
                x, y = left + column, top + row
                image[y, x] = 1.0 / (plane[0] * (x + 0.5) + plane[1] * (y + 0.5) + plane[2])


@jit
def _colour(picture, nearest, top, left, planes, faces, normals, surface, rays, light):
    """Shade each face seen in a pixel once, and mix by the number of samples in which it is seen."""
    samples = nearest.shape[0]
    for row in range(nearest.shape[1]):
        for column in range(nearest.shape[2]):
            red, green, blue, share = 0.0, 0.0, 0.0, 0.0
            for sample in range(samples):
                face = nearest[sample, row, column]
                count = 0
                for other in range(samples):
                    if nearest[other, row, column] == face:
                        if other < sample:
                            break
                        count += 1
                if face < 0 or count == 0:
                    continue
                x, y = left + column + 0.5, top + row + 0.5
                colour = _colour_at(x, y, planes[face], faces[face], normals, surface, rays, light)
                weight = colour[3] * count / samples
                red, green, blue = red + weight * colour[0], green + weight * colour[1], blue + weight * colour[2]
                share += weight
            if share > 0.0:
                pixel = picture[top + row, left + column]
                pixel[0] = 255.0 * red + (1.0 - share) * pixel[0] + 0.5
                pixel[1] = 255.0 * green + (1.0 - share) * pixel[1] + 0.5
                pixel[2] = 255.0 * blue + (1.0 - share) * pixel[2] + 0.5


@jit
def _colour_at(x, y, edges, face, normals, surface, rays, light):
    """sRGB colour in [0, 1] and opacity of a face at a point of the picture."""
    a = max(0.0, edges[0, 0] * x + edges[0, 1] * y + edges[0, 2])
    b = max(0.0, edges[1, 0] * x + edges[1, 1] * y + edges[1, 2])
    c = max(0.0, edges[2, 0] * x + edges[2, 1] * y + edges[2, 2])
    total = max(a + b + c, 1e-30)
    a, b, c = a / total, b / total, c / total
    i, j, k = face[0], face[1], face[2]
    nx = a * normals[i, 0] + b * normals[j, 0] + c * normals[k, 0]
    ny = a * normals[i, 1] + b * normals[j, 1] + c * normals[k, 1]
    nz = a * normals[i, 2] + b * normals[j, 2] + c * normals[k, 2]
    size = max(1e-30, np.sqrt(nx * nx + ny * ny + nz * nz))
    vx = -(rays[0, 0] * x + rays[0, 1] * y + rays[0, 2])
    vy = -(rays[1, 0] * x + rays[1, 1] * y + rays[1, 2])
    far = np.sqrt(vx * vx + vy * vy + 1.0)
    lit = a * surface[i, 3] + b * surface[j, 3] + c * surface[k, 3]
    red, green, blue, white = shade(nx / size, ny / size, nz / size, vx / far, vy / far, -1.0 / far, lit, light)
    red = red * (a * surface[i, 0] + b * surface[j, 0] + c * surface[k, 0]) + white
    green = green * (a * surface[i, 1] + b * surface[j, 1] + c * surface[k, 1]) + white
    blue = blue * (a * surface[i, 2] + b * surface[j, 2] + c * surface[k, 2]) + white
    return np.sqrt(min(1.0, red)), np.sqrt(min(1.0, green)), np.sqrt(min(1.0, blue)), surface[i, 4]
