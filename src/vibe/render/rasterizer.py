"""Triangle meshes drawn over a picture on the CPU: one depth buffer for everybody, soft edges.

Works in homogeneous pixels: the three edges and the inverse depth of a triangle are linear functions of the pixel,
also for triangles that reach behind the camera, so that nothing needs to be clipped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt8
from numpy import ndarray

from vibe.body.mesh import jit, vertex_normals
from vibe.render.shading import DAYLIGHT, Light, shaded

Canvas = UInt8[ndarray, "height width channel"]
Vertices = Float[ndarray, "vertex 3"]
Faces = Int[ndarray, "face 3"]
Intrinsics = Float[ndarray, "3 3"]
NEAR = 0.05
"""Metres; what is closer to the camera is not drawn."""
SAME_DEPTH = 0.01
"""Share of the depth within which neighbouring faces of a mesh are shaded as one."""
BETWEEN = 0.2
"""Share of the opacity that faces keep between lines."""
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

    vertices: Vertices
    """Metres; x right, y down, z forward."""
    faces: Faces
    """Counter-clockwise seen from outside; faces turned away from the camera are not drawn."""
    colours: Float[ndarray, "vertex 3"]
    """sRGB in [0, 1]."""
    lit: Float[ndarray, "vertex"] | None = None
    """Share of the key light that arrives, in [0, 1]; all of it if None."""
    opacity: float = 1.0
    line_px: float = 0.0
    """Width of the lines along the edges of the faces, which are faint in between; 0 draws plain faces."""


def rasterize(
    picture: Canvas, meshes: Sequence[Mesh], K_px: Intrinsics, light: Light = DAYLIGHT, samples: int = 4
) -> Canvas:
    """The picture with the meshes over it, nearer ones in front; a new array.

    A picture of four channels has opacity as its last, by which the colours are multiplied. `samples` is the number of
    visibility tests in a pixel: 1, 4 or 8. Raises ValueError for another number.
    """
    picture = np.ascontiguousarray(picture).copy()
    if not meshes:
        return picture
    offsets = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes])
    faces = np.concatenate([np.asarray(mesh.faces, np.int32) + offset for mesh, offset in zip(meshes, offsets)])
    owner = np.repeat(np.arange(len(meshes), dtype=np.int32), [len(mesh.faces) for mesh in meshes])
    colours = np.concatenate([_lit(mesh, light) for mesh in meshes])
    lines_px = np.array([mesh.line_px for mesh in meshes])
    vertices = np.concatenate([mesh.vertices for mesh in meshes])
    for y, x, planes, nearest in _bands(vertices, faces, K_px, picture.shape[0], picture.shape[1], samples):
        _colour(picture, nearest, y, x, planes, faces, owner, colours, lines_px)
    return picture


def _lit(mesh: Mesh, light: Light) -> Float[ndarray, "vertex 4"]:
    """Colour of each vertex under the light, sRGB from 0 to 255, and opacity."""
    lit = np.ones(len(mesh.vertices), np.float32) if mesh.lit is None else mesh.lit.astype(np.float32)
    vertices = np.ascontiguousarray(mesh.vertices, np.float32)
    normals = vertex_normals(vertices, mesh.faces)
    return shaded(vertices, normals, np.ascontiguousarray(mesh.colours, np.float32), lit, mesh.opacity, light.packed())


def pixel_coverage(
    vertices: Vertices, faces: Faces, K_px: Intrinsics, height: int, width: int, samples: int = 4
) -> Float[ndarray, "height width"]:
    """Share of each pixel that the surface covers, in [0, 1]."""
    shares = np.zeros((height, width), np.float32)
    for y, x, _, nearest in _bands(vertices, faces, K_px, height, width, samples):
        rows, columns = nearest.shape[1:]
        shares[y : y + rows, x : x + columns] = (nearest >= 0).mean(0)
    return shares


def depth_image(
    vertices: Vertices, faces: Faces, K_px: Intrinsics, height: int, width: int
) -> Float[ndarray, "height width"]:
    """Depth in metres of the nearest surface at the middle of each pixel; infinite where there is none."""
    image = np.full((height, width), np.inf, np.float32)
    for y, x, planes, nearest in _bands(vertices, faces, K_px, height, width, 1):
        rows, columns = np.nonzero(nearest[0] >= 0)
        a, b, c = planes[nearest[0, rows, columns], 3].T
        image[y + rows, x + columns] = 1 / (a * (x + columns + 0.5) + b * (y + rows + 0.5) + c)
    return image


def _bands(
    vertices: Vertices, faces: Faces, K_px: Intrinsics, height: int, width: int, samples: int
) -> Iterator[tuple[int, int, Float[ndarray, "face 4 3"], Int[ndarray, "sample row column"]]]:
    """Top row, left column, planes of the faces and, for each sample of the band, the nearest face (-1: none)."""
    if samples not in SAMPLES:
        raise ValueError(f"{samples} visibility tests in a pixel: choose 1, 4 or 8")
    corners = vertices.astype(np.float64) @ np.asarray(K_px, np.float64).T  # homogeneous: x * z, y * z, z
    planes, boxes = _set_up(corners, np.asarray(faces, np.int32), height, width)
    shown = boxes[boxes[:, 0] < boxes[:, 1]]
    if not len(shown):
        return
    left, right, top, bottom = shown[:, 0].min(), shown[:, 1].max(), shown[:, 2].min(), shown[:, 3].max()
    offsets = np.array(SAMPLES[samples])
    for y in range(top, bottom, BAND_ROWS):
        yield y, left, planes, _visible(planes, boxes, left, right, y, min(y + BAND_ROWS, bottom), offsets)


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
    steepness = np.zeros(3)
    for face in range(len(planes)):
        box = boxes[face]
        if box[0] >= box[1] or box[3] <= top or box[2] >= bottom:
            continue
        edges = planes[face]
        for edge in range(3):
            steepness[edge] = 1.0 / edges[edge, 0] if edges[edge, 0] != 0.0 else 0.0
        slope = edges[3, 0]
        for row in range(max(box[2], top), min(box[3], bottom)):
            for sample in range(len(offsets)):
                dx, y = offsets[sample, 0], row + offsets[sample, 1]
                first, last = _span(edges, steepness, y, dx, box[0], box[1])
                start = edges[3, 1] * y + edges[3, 2] + slope * dx
                for column in range(first, last):
                    here = np.float32(slope * column + start)
                    if inverse_depth[sample, row - top, column - left] < here < 1.0 / NEAR:
                        inverse_depth[sample, row - top, column - left] = here
                        nearest[sample, row - top, column - left] = face
    return nearest


@jit
def _span(edges, steepness, y, dx, first, last):
    """The columns of a row whose sample lies inside all three edges; neighbours share no sample and leave none out."""
    low, high = float(first), float(last)
    for edge in range(3):
        level = edges[edge, 1] * y + edges[edge, 2]
        if steepness[edge] > 0.0:
            low = max(low, np.ceil(-level * steepness[edge] - dx))
        elif steepness[edge] < 0.0:
            high = min(high, np.ceil(-level * steepness[edge] - dx))
        elif level < 0.0:
            high = low
    return int(min(low, last)), int(max(high, first))


@jit
def _colour(picture, nearest, top, left, planes, faces, owner, colours, lines_px):
    """Mix the colours of the surfaces seen in each pixel by the number of samples in which they are seen."""
    samples = nearest.shape[0]
    seen, count, mixed = np.zeros(samples, np.int32), np.zeros(samples, np.int32), np.zeros(4)
    for row in range(nearest.shape[1]):
        for column in range(nearest.shape[2]):
            x, y = left + column + 0.5, top + row + 0.5
            found = _surfaces(nearest, row, column, x, y, planes, owner, seen, count)
            if found == 0:
                continue
            mixed[:] = 0.0
            for index in range(found):
                face, share = seen[index], count[index] / samples
                if lines_px[owner[face]] > 0.0:
                    share *= _drawn(x, y, planes[face], lines_px[owner[face]])
                _mix(x, y, planes[face], faces[face], colours, share, mixed)
            pixel = picture[top + row, left + column]
            for channel in range(3):
                pixel[channel] = mixed[channel] + (1.0 - mixed[3]) * pixel[channel] + 0.5
            if len(pixel) > 3:
                pixel[3] = 255.0 * mixed[3] + (1.0 - mixed[3]) * pixel[3] + 0.5


@jit
def _surfaces(nearest, row, column, x, y, planes, owner, seen, count):
    """The surfaces in a pixel: a face of each and the number of its samples; neighbours of one skin are one surface."""
    found = 0
    for sample in range(nearest.shape[0]):
        face = nearest[sample, row, column]
        if face < 0:
            continue
        place = 0
        while place < found and seen[place] != face and not _joined(x, y, planes, owner, face, seen[place]):
            place += 1
        if place == found:
            seen[found], count[found] = face, 0
            found += 1
        count[place] += 1
    return found


@jit
def _joined(x, y, planes, owner, one, two):
    """Whether two faces belong to the same mesh and lie at the same depth there."""
    if owner[one] != owner[two]:
        return False
    a = planes[one, 3, 0] * x + planes[one, 3, 1] * y + planes[one, 3, 2]
    b = planes[two, 3, 0] * x + planes[two, 3, 1] * y + planes[two, 3, 2]
    return abs(a - b) < SAME_DEPTH * a


@jit
def _drawn(x, y, edges, line_px):
    """How much of a face shows where only its edges are drawn: all of it on them, little in between."""
    apart = np.inf
    for edge in range(3):
        a, b, c = edges[edge, 0], edges[edge, 1], edges[edge, 2]
        apart = min(apart, abs(a * x + b * y + c) / max(1e-30, np.sqrt(a * a + b * b)))
    return BETWEEN + (1.0 - BETWEEN) * min(1.0, max(0.0, 0.5 * line_px + 0.5 - apart))


@jit
def _mix(x, y, edges, face, colours, share, mixed):
    """Add a face's colour at a point of the picture, and its opacity, to what is there."""
    a = max(0.0, edges[0, 0] * x + edges[0, 1] * y + edges[0, 2])
    b = max(0.0, edges[1, 0] * x + edges[1, 1] * y + edges[1, 2])
    c = max(0.0, edges[2, 0] * x + edges[2, 1] * y + edges[2, 2])
    total = share / max(a + b + c, 1e-30)
    opacity = colours[face[0], 3] * total
    a, b, c = a * opacity, b * opacity, c * opacity
    for channel in range(3):
        mixed[channel] += a * colours[face[0], channel] + b * colours[face[1], channel] + c * colours[face[2], channel]
    mixed[3] += a + b + c
