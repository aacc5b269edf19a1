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
Planes = Float[ndarray, "shown 4 3"]
Boxes = Int[ndarray, "shown 4"]
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
    shown, planes, boxes = _placed(vertices, faces, K_px, picture.shape[0], picture.shape[1])
    faces, lines_px = faces[shown], lines_px[owner[shown]]
    for y, x, nearest in _bands(planes, boxes, samples):
        _colour(picture, nearest, y, x, planes, faces, owner[shown], colours, lines_px)
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
    _, planes, boxes = _placed(vertices, faces, K_px, height, width)
    for y, x, nearest in _bands(planes, boxes, samples):
        rows, columns = nearest.shape[1:]
        shares[y : y + rows, x : x + columns] = (nearest >= 0).mean(0)
    return shares


def depth_image(
    vertices: Vertices, faces: Faces, K_px: Intrinsics, height: int, width: int
) -> Float[ndarray, "height width"]:
    """Depth in metres of the nearest surface at the middle of each pixel; infinite where there is none."""
    image = np.full((height, width), np.inf, np.float32)
    _, planes, boxes = _placed(vertices, faces, K_px, height, width)
    for y, x, nearest in _bands(planes, boxes, 1):
        rows, columns = np.nonzero(nearest[0] >= 0)
        a, b, c = planes[nearest[0, rows, columns], 3].T
        image[y + rows, x + columns] = 1 / (a * (x + columns + 0.5) + b * (y + rows + 0.5) + c)
    return image


def _placed(
    vertices: Vertices, faces: Faces, K_px: Intrinsics, height: int, width: int
) -> tuple[Int[ndarray, "shown"], Planes, Boxes]:
    """The faces that show in a picture, their planes and their boxes."""
    corners = vertices.astype(np.float64) @ np.asarray(K_px, np.float64).T  # homogeneous: x * z, y * z, z
    return _set_up(corners, np.asarray(faces, np.int32), height, width)


def _bands(planes: Planes, boxes: Boxes, samples: int) -> Iterator[tuple[int, int, Int[ndarray, "sample row column"]]]:
    """Top row, left column and, for each sample of the band, the nearest face; -1 where there is none.

    The faces are overwritten by those of the next band.
    """
    if samples not in SAMPLES:
        raise ValueError(f"{samples} visibility tests in a pixel: choose 1, 4 or 8")
    if not len(boxes):
        return
    left, right, top, bottom = boxes[:, 0].min(), boxes[:, 1].max(), boxes[:, 2].min(), boxes[:, 3].max()
    offsets = np.array(SAMPLES[samples])
    nearest = np.empty((samples, min(BAND_ROWS, bottom - top), right - left), np.int32)
    inverse_depth = np.empty(nearest.shape, np.float32)
    for y in range(top, bottom, BAND_ROWS):
        rows = min(BAND_ROWS, bottom - y)
        _find_nearest(planes, boxes, left, y, y + rows, offsets, nearest, inverse_depth)
        yield y, left, nearest[:, :rows]


@jit
def _set_up(corners, faces, height, width):
    """The faces that show, and for each its planes and its box.

    Planes are three edges (positive inside) and the inverse depth, each as a * x + b * y + c; a box is left, right, top
    and bottom in whole pixels, the second of each pair exclusive.
    """
    # All in one loop over numbers: most faces are turned away or too small, and end it after a few of them.
    planes, boxes = np.empty((len(faces), 4, 3)), np.empty((len(faces), 4), np.int32)
    shown, count = np.empty(len(faces), np.int32), 0
    pixels = np.empty((len(corners), 2))
    for vertex in range(len(corners)):
        depth = corners[vertex, 2]
        if depth >= NEAR:
            pixels[vertex, 0], pixels[vertex, 1] = corners[vertex, 0] / depth, corners[vertex, 1] / depth
    for face in range(len(faces)):
        i, j, k = faces[face, 0], faces[face, 1], faces[face, 2]
        p, q, r, edges = corners[i], corners[j], corners[k], planes[count]
        _cross(r, q, edges[0])
        volume = edges[0, 0] * p[0] + edges[0, 1] * p[1] + edges[0, 2] * p[2]
        if not 1e-12 < volume < np.inf:
            continue
        if p[2] >= NEAR and q[2] >= NEAR and r[2] >= NEAR:
            low_x = min(pixels[i, 0], pixels[j, 0], pixels[k, 0])
            high_x = max(pixels[i, 0], pixels[j, 0], pixels[k, 0])
            low_y = min(pixels[i, 1], pixels[j, 1], pixels[k, 1])
            high_y = max(pixels[i, 1], pixels[j, 1], pixels[k, 1])
        else:
            low_x, high_x, low_y, high_y = _extent(p, q, r)
        left, right = max(0.0, np.floor(low_x)), min(float(width), np.ceil(high_x))
        top, bottom = max(0.0, np.floor(low_y)), min(float(height), np.ceil(high_y))
        if not (left < right and top < bottom):
            continue
        _cross(p, r, edges[1])
        _cross(q, p, edges[2])
        for axis in range(3):
            edges[3, axis] = (edges[0, axis] + edges[1, axis] + edges[2, axis]) / volume
        boxes[count, 0], boxes[count, 1], boxes[count, 2], boxes[count, 3] = left, right, top, bottom
        shown[count] = face
        count += 1
    return shown[:count], planes[:count], boxes[:count]


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
def _find_nearest(planes, boxes, left, top, bottom, offsets, nearest, inverse_depth):
    """Writes the nearest face at each sample of a band of rows; -1 where there is none."""
    # Numbers in place of small arrays, and flat buffers: the innermost lines run a million times a picture.
    samples, height, width = nearest.shape
    nearest[:] = -1
    inverse_depth[:] = 0.0
    flat_nearest, flat_depth = nearest.reshape(-1), inverse_depth.reshape(-1)
    for face in range(len(planes)):
        if boxes[face, 3] <= top or boxes[face, 2] >= bottom:
            continue
        first_column, last_column = float(boxes[face, 0]), float(boxes[face, 1])
        b0, c0, steep0 = planes[face, 0, 1], planes[face, 0, 2], _inverse(planes[face, 0, 0])
        b1, c1, steep1 = planes[face, 1, 1], planes[face, 1, 2], _inverse(planes[face, 1, 0])
        b2, c2, steep2 = planes[face, 2, 1], planes[face, 2, 2], _inverse(planes[face, 2, 0])
        slope, slope_y, constant = planes[face, 3, 0], planes[face, 3, 1], planes[face, 3, 2]
        for row in range(max(boxes[face, 2], top), min(boxes[face, 3], bottom)):
            for sample in range(samples):
                dx, y = offsets[sample, 0], row + offsets[sample, 1]
                low, high = _narrowed(first_column, last_column, b0 * y + c0, steep0, dx)
                low, high = _narrowed(low, high, b1 * y + c1, steep1, dx)
                low, high = _narrowed(low, high, b2 * y + c2, steep2, dx)
                if not low < high:
                    continue
                start = slope_y * y + constant + slope * dx
                place = (sample * height + row - top) * width - left
                for column in range(int(low), int(high)):
                    here = np.float32(slope * column + start)
                    if flat_depth[place + column] < here < 1.0 / NEAR:
                        flat_depth[place + column] = here
                        flat_nearest[place + column] = face


@jit
def _inverse(number):
    return 1.0 / number if number != 0.0 else 0.0


@jit
def _narrowed(low, high, level, steepness, dx):
    """Columns, from `low` to before `high`, whose sample lies inside an edge; neighbours share none and leave none out.

    `level` is the edge's value at column 0, `steepness` how many columns it takes to grow by one.
    """
    if steepness > 0.0:
        low = max(low, np.ceil(-level * steepness - dx))
    elif steepness < 0.0:
        high = min(high, np.ceil(-level * steepness - dx))
    elif level < 0.0:
        high = low
    return low, high


@jit
def _colour(picture, nearest, top, left, planes, faces, owner, colours, lines_px):
    """Mix the colours of the surfaces seen in each pixel by the number of samples in which they are seen."""
    # Most pixels have no face or one in all samples: they are told first, without a look at what meets there.
    samples = nearest.shape[0]
    seen, count = np.zeros(samples, np.int32), np.zeros(samples, np.int32)
    for row in range(nearest.shape[1]):
        for column in range(nearest.shape[2]):
            first = anywhere = nearest[0, row, column]
            alike = True
            for sample in range(1, samples):
                anywhere &= nearest[sample, row, column]
                alike &= nearest[sample, row, column] == first
            if anywhere == -1:  # all bits, as in no number of a face
                continue
            x, y = left + column + 0.5, top + row + 0.5
            seen[0], count[0], found = first, samples, 1
            if not alike:
                found = _surfaces(nearest, row, column, x, y, planes, owner, seen, count)
            red = green = blue = opacity = 0.0
            for index in range(found):
                face, share = seen[index], count[index] / samples
                if lines_px[face] > 0.0:
                    share *= _drawn(x, y, planes[face], lines_px[face])
                r, g, b, o = _mixed(x, y, planes, faces, colours, face, share)
                red, green, blue, opacity = red + r, green + g, blue + b, opacity + o
            under, at_row, at_column = 1.0 - opacity, top + row, left + column
            picture[at_row, at_column, 0] = red + under * picture[at_row, at_column, 0] + 0.5
            picture[at_row, at_column, 1] = green + under * picture[at_row, at_column, 1] + 0.5
            picture[at_row, at_column, 2] = blue + under * picture[at_row, at_column, 2] + 0.5
            if picture.shape[2] > 3:
                picture[at_row, at_column, 3] = 255.0 * opacity + under * picture[at_row, at_column, 3] + 0.5


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
def _mixed(x, y, planes, faces, colours, face, share):
    """A face's red, green and blue at a point of the picture, times its opacity, which is the last."""
    a = max(0.0, planes[face, 0, 0] * x + planes[face, 0, 1] * y + planes[face, 0, 2])
    b = max(0.0, planes[face, 1, 0] * x + planes[face, 1, 1] * y + planes[face, 1, 2])
    c = max(0.0, planes[face, 2, 0] * x + planes[face, 2, 1] * y + planes[face, 2, 2])
    i, j, k = faces[face, 0], faces[face, 1], faces[face, 2]
    opacity = colours[i, 3] * (share / max(a + b + c, 1e-30))
    a, b, c = a * opacity, b * opacity, c * opacity
    red = a * colours[i, 0] + b * colours[j, 0] + c * colours[k, 0]
    green = a * colours[i, 1] + b * colours[j, 1] + c * colours[k, 1]
    blue = a * colours[i, 2] + b * colours[j, 2] + c * colours[k, 2]
    return red, green, blue, a + b + c
