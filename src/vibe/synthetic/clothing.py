"""Clothes, skin and hair for rendered people, painted on the vertices of a body in SMPL's layout."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from vibe.body import Body
from vibe.skeletons import SMPL
from vibe.synthetic.background import fractal

Colour = tuple[float, float, float]
SKIN: tuple[Colour, ...] = (
    (0.95, 0.80, 0.70), (0.89, 0.71, 0.58), (0.80, 0.60, 0.46), (0.66, 0.47, 0.34), (0.50, 0.34, 0.25),
    (0.36, 0.24, 0.18),
)  # fmt: skip
HAIR: tuple[Colour, ...] = (
    (0.09, 0.07, 0.06), (0.20, 0.13, 0.09), (0.34, 0.22, 0.13), (0.62, 0.47, 0.27), (0.45, 0.44, 0.43),
)  # fmt: skip
SHIRTS: tuple[Colour, ...] = (
    (0.80, 0.22, 0.20), (0.18, 0.36, 0.62), (0.90, 0.89, 0.86), (0.16, 0.17, 0.19), (0.26, 0.50, 0.36),
    (0.88, 0.68, 0.22), (0.55, 0.33, 0.55), (0.45, 0.62, 0.74), (0.60, 0.60, 0.58), (0.86, 0.50, 0.40),
)  # fmt: skip
TROUSERS: tuple[Colour, ...] = (
    (0.20, 0.26, 0.38), (0.12, 0.13, 0.15), (0.58, 0.51, 0.40), (0.36, 0.37, 0.38), (0.30, 0.31, 0.22),
    (0.42, 0.50, 0.62),
)  # fmt: skip
SHOES: tuple[Colour, ...] = ((0.90, 0.90, 0.88), (0.10, 0.10, 0.11), (0.32, 0.21, 0.14), (0.50, 0.12, 0.12))


@dataclass(frozen=True)
class Appearance:
    """What somebody wears; colours are sRGB in [0, 1], lengths are shares of a limb."""

    skin: Colour
    hair: Colour
    shirt: Colour
    stripes: Colour
    """The shirt's second colour; the same as `shirt` for a plain one."""
    trousers: Colour
    shoes: Colour
    sleeve: float
    """How far down the arm the sleeve reaches: 0.5 half the upper arm, 1 the elbow, 2 the wrist."""
    leg: float
    """How far down the leg the trousers reach: 1 the knee, 2 the ankle."""
    hair_length: float
    """0 is cropped, 1 reaches the neck."""
    looseness: float
    """Thickness of the cloth's folds, metres."""
    seed: int
    """Of the folds."""


@dataclass(frozen=True)
class Outfit:
    """A look on the vertices of one body."""

    faces: Int[ndarray, "face 3"]
    colours: Float[ndarray, "vertex 3"]
    """sRGB in [0, 1]."""
    thickness: Float[ndarray, "vertex"]
    """How far cloth and hair stand off the skin, metres."""


def random_look(seed: int) -> Appearance:
    """Skin, hair and clothes by chance."""
    rng = np.random.default_rng(seed)
    shirt = _varied(rng, SHIRTS)
    return Appearance(
        skin=_varied(rng, SKIN, 0.03),
        hair=_varied(rng, HAIR, 0.03),
        shirt=shirt,
        stripes=_varied(rng, SHIRTS) if rng.random() < 0.3 else shirt,
        trousers=_varied(rng, TROUSERS),
        shoes=_varied(rng, SHOES),
        sleeve=float(rng.choice([0.45, 0.7, 1.95], p=[0.3, 0.3, 0.4])),
        leg=float(rng.choice([0.85, 1.97], p=[0.2, 0.8])),
        hair_length=float(rng.random()),
        looseness=float(rng.uniform(0.004, 0.012)),
        seed=seed,
    )


def dress(body: Body, look: Appearance) -> Outfit:
    """The look painted on the body's vertices, by their place in the T-pose."""
    rest, joints = body.v_template.numpy().astype(np.float64), body.J_template.numpy()
    near = {name: joints[SMPL.index(name)] for name in SMPL}
    head = body.weights[:, SMPL.index("head")].numpy() > 0.5
    folds = fractal(rest * 9.0, look.seed)
    colours = np.tile(np.array(look.skin), (len(rest), 1)) * (1 + 0.03 * folds[:, None])
    thickness = np.zeros(len(rest))
    uppers = near["left_ankle"][1] - 0.005 - 0.25 * np.clip(rest[:, 2] - 0.04, 0.0, 0.12)
    cloth = {
        "shirt": (_shirt(rest, near, look), look.shirt, look.looseness),
        "trousers": (_trousers(rest, near, look), look.trousers, look.looseness),
        "shoes": (rest[:, 1] < uppers, look.shoes, 0.006),
        "hair": (head & _hair(rest, near, look), look.hair, 0.006 + 0.012 * look.hair_length),
    }
    for where, colour, stands_off in cloth.values():
        colours[where] = np.array(colour) * (1 + 0.10 * folds[where, None])
        thickness[where] = stands_off * (1 + 0.6 * folds[where])
    band = cloth["shirt"][0] & (np.sin(rest[:, 1] * 70.0) > 0.2)
    colours[band] = np.array(look.stripes) * (1 + 0.10 * folds[band, None])
    sole = cloth["shoes"][0] & (rest[:, 1] < rest[:, 1].min() + 0.018)
    colours[sole] = 0.75 * np.array(look.shoes) + 0.2
    _paint_face(colours, rest, head, body.faces.numpy(), look)
    return Outfit(body.faces.numpy().astype(np.int32), colours.clip(0, 1).astype(np.float32), thickness)


def _varied(rng: np.random.Generator, colours: tuple[Colour, ...], spread: float = 0.06) -> Colour:
    chosen = np.array(colours[rng.integers(len(colours))]) * rng.uniform(1 - spread, 1 + spread)
    red, green, blue = (chosen + rng.uniform(-spread / 2, spread / 2, 3)).clip(0.03, 0.97)
    return float(red), float(green), float(blue)


def _along(rest, near, chain, axis):
    """How far each vertex lies along a limb: 0 at its first joint, 1 at the next, 2 at the last."""
    places = [abs(near[name][axis]) for name in chain]
    return np.interp(np.abs(rest[:, axis]), places, range(len(places)), left=-1.0)


def _shirt(rest, near, look):
    arm = _along(rest, near, ("left_shoulder", "left_elbow", "left_wrist"), 0)
    hem = near["pelvis"][1] + 0.02
    down = np.where(rest[:, 2] < near["neck"][2], 1.8, 0.8)
    collar = (
        np.linalg.norm((rest - near["neck"]) * np.stack([np.ones(len(rest)), down, 0.8 + 0 * down], 1), axis=1) > 0.085
    )
    below_chin = rest[:, 1] < near["neck"][1] + 0.01
    return (rest[:, 1] > hem) & (arm < look.sleeve) & collar & below_chin


def _trousers(rest, near, look):
    leg = _along(rest, near, ("left_hip", "left_knee", "left_ankle"), 1)
    arms = np.abs(rest[:, 0]) > 0.30
    return (rest[:, 1] <= near["pelvis"][1] + 0.02) & ((leg < look.leg) | (rest[:, 1] > near["left_hip"][1])) & ~arms


def _hair(rest, near, look):
    """Behind a hairline that drops from the forehead past the ears to the nape."""
    from_eyes = rest[:, 1] - (near["head"][1] + 0.042)
    forward = rest[:, 2] - near["head"][2]
    nape = -0.02 - 0.12 * look.hair_length
    line = np.interp(forward, [-0.09, -0.03, 0.0, 0.03, 0.055, 0.12], [nape, nape + 0.02, 0.0, 0.03, 0.055, 0.06])
    ear = (np.abs(rest[:, 0]) > 0.072) & (np.abs(from_eyes + 0.01) < 0.045) & (np.abs(forward + 0.01) < 0.03)
    return (from_eyes > line) & ~(ear & (look.hair_length < 0.6))


def _paint_face(colours, rest, head, faces, look):
    """Eyes (meshes of their own, if the body has them), brows and lips."""
    edges = coo_matrix((np.ones(faces.size), (faces.ravel(), np.roll(faces, 1, 1).ravel())), [len(rest)] * 2)
    count, part = connected_components(edges, directed=False)
    skin = np.bincount(part).argmax()
    for eye in [part == label for label in range(count) if label != skin]:
        if not (eye & head).any():
            continue
        centre = (rest[eye].min(0) + rest[eye].max(0)) / 2
        colours[eye] = (0.92, 0.91, 0.90)
        aside = np.linalg.norm((rest - centre)[:, :2], axis=1)
        colours[eye & (rest[:, 2] > centre[2]) & (aside < 0.0075)] = (0.16, 0.11, 0.08)
        x, y = np.abs(rest[:, 0]) - abs(centre[0]), rest[:, 1] - centre[1]
        front = head & (rest[:, 2] > centre[2] - 0.01) & ~eye
        brow = front & (np.abs(x) < 0.019) & (np.abs(y - 0.023 + 6.0 * x**2) < 0.0045)
        colours[brow] = 0.55 * np.array(look.hair) + 0.3 * np.array(look.skin)
        lips = front & (np.abs(rest[:, 0]) < 0.024) & (np.abs(y + 0.078) < 0.008)
        colours[lips] = np.array(look.skin) * (0.88, 0.62, 0.62)
