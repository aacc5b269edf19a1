"""How people are drawn: the open body in a sport suit, with short hair and a calm face, in each person's colours."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from vibe.arrays import as_numpy
from vibe.body.load import read_body
from vibe.body.mesh import vertex_normals
from vibe.body.record import Body
from vibe.skeletons import SMPL

COLOURS = (
    (0.38, 0.65, 0.93), (0.96, 0.63, 0.24), (0.24, 0.70, 0.54), (0.86, 0.53, 0.74), (0.95, 0.86, 0.42),
    (0.88, 0.43, 0.29), (0.30, 0.48, 0.80), (0.72, 0.72, 0.74),
)  # fmt: skip
"""The suit of each person in turn, sRGB; told apart also by colour-blind eyes."""
SKIN = ((0.84, 0.65, 0.53), (0.56, 0.39, 0.29), (0.90, 0.74, 0.63), (0.71, 0.52, 0.39), (0.41, 0.28, 0.21))
HAIR = ((0.24, 0.16, 0.12), (0.11, 0.09, 0.09), (0.50, 0.37, 0.23), (0.17, 0.12, 0.10), (0.09, 0.08, 0.08))
"""Five of each: the ninth wears the first one's suit and is somebody else."""
SHOES, WHITE, IRIS = (0.27, 0.28, 0.31), (0.86, 0.85, 0.83), (0.20, 0.14, 0.11)
LEGS, LIPS = np.array([0.40, 0.40, 0.43]), np.array([0.92, 0.78, 0.76])
"""Shares of the suit's colour, and of the skin's."""
STANDS_OFF = np.array([0, 0.003, 0.003, 0.006, 0.009, 0, 0, 0, 0])
"""Metres from the body to what is worn, in the order of `_worn`."""
FINE = 10000
"""Vertices of a mesh that has eyebrows and lids."""


def colour(number: int) -> Float[ndarray, "3"]:
    """The person's colour, sRGB."""
    return np.array(COLOURS[(number - 1) % len(COLOURS)], np.float32)


def dressed(body: Body) -> Body:
    """The open body as it is drawn, in NumPy's arrays; joints are where they were. Any other body is left as it is."""
    body = as_numpy(body)
    return _dressed(body.origin.sha256, len(body.v_template)) or body


def vertex_colours(body: Body, number: int) -> Float[ndarray, "vertex 3"]:
    """Colour of each vertex of person 1, 2, ..., sRGB: of a body other than the open one the person's everywhere."""
    suit, worn = colour(number), _worn(body.origin.sha256, len(body.v_template))
    if worn is None:
        return np.broadcast_to(suit, (len(body.v_template), 3))
    skin, hair = (np.array(colours[(number - 1) % len(colours)]) for colours in (SKIN, HAIR))
    palette = [skin, suit, suit * LEGS, SHOES, hair, 0.6 * hair + 0.25 * skin, skin * LIPS, WHITE, IRIS]
    return (worn @ np.array(palette)).astype(np.float32)


@lru_cache
def _open_body(sha256: str, vertices: int) -> Body | None:
    """The mesh of the open body with so many vertices, if that is the body of this checksum."""
    meshes = (read_body(detail=detail) for detail in ("full", "low"))
    return next((mesh for mesh in meshes if (mesh.origin.sha256, len(mesh.v_template)) == (sha256, vertices)), None)


@lru_cache
def _dressed(sha256: str, vertices: int) -> Body | None:
    body, worn = _open_body(sha256, vertices), _worn(sha256, vertices)
    if body is None or worn is None:
        return None
    rest, faces = body.v_template.astype(np.float64), body.faces
    # stretching is linear in the points, so that one solution holds for bodies of every shape
    every = np.concatenate([rest[..., None], body.shapedirs], -1).reshape(len(rest), -1)
    every = _stretched(every, rest, faces, _spans(body, worn)).reshape(len(rest), 3, -1).astype(np.float32)
    off = (worn @ STANDS_OFF).astype(np.float32)[:, None]
    outside = every[..., 0] + off * vertex_normals(np.ascontiguousarray(every[..., 0]), faces)
    return replace(body, v_template=outside, shapedirs=np.ascontiguousarray(every[..., 1:]))


def _spans(body: Body, worn: Float[ndarray, "vertex 9"]) -> Float[ndarray, "vertex"]:
    """Metres over which cloth is stretched at each vertex of the mean body; 0 where it is bare."""
    x, y, z = body.v_template.T
    chest, pelvis = body.J_template[SMPL.index("spine3")], body.J_template[SMPL.index("pelvis")]
    bust = np.clip((z - chest[2]) / 0.04, 0, 1) * _bell((y - chest[1] + 0.005) / 0.10) * _bell(x / 0.17)
    seat = _bell((y - pelvis[1] + 0.08) / 0.13) * _bell(x / 0.11)
    suit, shoe = worn[:, 1] + worn[:, 2] > 0.5, worn[:, 3] > 0.5
    return suit * (0.004 + 0.056 * bust + 0.026 * seat) + 0.03 * shoe


def _bell(distance: ndarray) -> ndarray:
    """1 in the middle, falling off at a distance of 1."""
    return np.exp(-(distance**4))


def _stretched(values: ndarray, rest: ndarray, faces: ndarray, span: ndarray) -> Float[ndarray, "vertex number"]:
    """Values smoothed over so many metres, as a thin plate bends that is held to them; kept where that is 0."""
    from scipy import sparse
    from scipy.sparse.linalg import factorized

    a, b, c = rest[faces].transpose(1, 0, 2)
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1).clip(1e-9)
    cotangents = [((q - p) * (r - p)).sum(1) / area for p, q, r in ((a, b, c), (b, c, a), (c, a, b))]
    edges = faces[:, [1, 2, 0]].T.ravel(), faces[:, [2, 0, 1]].T.ravel()
    weight = sparse.coo_matrix((np.concatenate(cotangents) / 2, edges), [len(rest)] * 2).tocsr()
    weight = weight + weight.T
    laplace = sparse.diags(np.asarray(weight.sum(1)).ravel()) - weight
    mass = np.bincount(faces.ravel(), np.repeat(area / 6, 3), len(rest)).clip(1e-9)
    free = np.flatnonzero(span > 0)
    bend, hold = (laplace.T @ sparse.diags(1 / mass) @ laplace).tocsr()[free], mass[free] / span[free] ** 4
    solve = factorized((sparse.diags(hold) + bend[:, free]).tocsc())
    # what is not stretched holds the edges of the cloth
    pulled = hold[:, None] * values[free] - bend @ values + bend[:, free] @ values[free]
    smooth = values.copy()
    smooth[free] = np.stack([solve(column) for column in pulled.T], 1)
    return smooth


@lru_cache
def _worn(sha256: str, vertices: int) -> Float[ndarray, "vertex 9"] | None:
    """Shares of each vertex that are skin, shirt, trousers, shoe, hair, brow, lip, white and iris of the eyes."""
    body = _open_body(sha256, vertices)
    if body is None:
        return None
    rest, near = body.v_template, dict(zip(SMPL, body.J_template, strict=True))
    x, y, z = abs(rest[:, 0]), rest[:, 1], rest[:, 2]
    neck, shoulder, elbow, ankle = (near[name] for name in ("neck", "left_shoulder", "left_elbow", "left_ankle"))
    down = np.where(z < neck[2], 1.7, 0.9)
    collar = np.sqrt(x**2 + (down * (y - neck[1])) ** 2 + (0.85 * (z - neck[2])) ** 2) - 0.088
    sleeve = shoulder[0] + 0.62 * (elbow[0] - shoulder[0]) - x
    arm = (x > 0.24) & (y > near["pelvis"][1])
    soft = 0.007 if len(rest) > FINE else 0.012
    layers = {
        1: np.minimum.reduce([sleeve, collar, neck[1] + 0.02 - y]),
        2: np.where(arm, -1, near["spine1"][1] - 0.02 - y),
        3: ankle[1] + 0.012 - 0.30 * np.clip(z - 0.04, 0, 0.12) - y,
        4: np.where(body.weights[:, SMPL.index("head")] > 0.5, _hair(rest - near["head"]), -1),
    }
    worn = np.eye(9)[np.zeros(len(rest), int)]
    shares = {layer: np.clip(0.5 + inside / (2 * soft), 0, 1) for layer, inside in layers.items()}
    for layer, share in (shares | _face(rest, body.faces)).items():
        worn *= 1 - share[:, None]
        worn[:, layer] += share
    return worn


def _hair(from_head: Float[ndarray, "vertex 3"]) -> Float[ndarray, "vertex"]:
    """Metres inside the hair, which ends at a line from the forehead past the ears to the nape."""
    x, y, z = abs(from_head[:, 0]), from_head[:, 1], from_head[:, 2]
    line = np.interp(
        z, [-0.10, -0.04, -0.015, 0.012, 0.035, 0.06, 0.12], [-0.015, -0.005, 0.035, 0.04, 0.08, 0.098, 0.102]
    )
    beside_ear = np.maximum.reduce([0.0705 - x, abs(y - 0.03) - 0.045, abs(z + 0.01) - 0.035])
    return np.minimum(y - line, beside_ear)


def _face(rest: Float[ndarray, "vertex 3"], faces: ndarray) -> dict[int, Float[ndarray, "vertex"]]:
    """Brows, lips and eyes, which are meshes of their own; the coarse mesh has eyes and no more."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    joined = coo_matrix((np.ones(faces.size), (faces.ravel(), np.roll(faces, 1, 1).ravel())), [len(rest)] * 2)
    part = connected_components(joined, directed=False)[1]
    eye = part != np.bincount(part).argmax()
    centre = (np.abs(rest[eye]).min(0) + np.abs(rest[eye]).max(0)) / 2
    x, y = abs(rest[:, 0]) - centre[0], rest[:, 1] - centre[1]
    front = rest[:, 2] > centre[2] - 0.012
    if len(rest) < FINE:  # on skin of few triangles whatever is drawn spreads into a frown
        return {7: 0.5 * eye, 8: 0.8 * (eye & front & (np.hypot(x, y) < 0.009))}
    brow = np.clip((0.0048 - abs(y - 0.0215 - 0.10 * x + 9.0 * x**2)) / 0.004, 0, 1) * (abs(x) < 0.018)
    lip = np.clip((0.0105 - np.hypot(y + 0.0765, 0.42 * rest[:, 0])) / 0.004, 0, 1)
    iris = eye & front & (np.hypot(x, y) < 0.0066)
    return {5: brow * (front & ~eye), 6: lip * (front & ~eye), 7: eye.astype(float), 8: iris.astype(float)}
