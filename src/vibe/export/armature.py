"""A person's motion on the bones of a rig: the same places in space under other names, axes and rest poses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from vibe.body.lbs import vertices
from vibe.body.pose import pose_joints, rest_vertices
from vibe.body.record import Body
from vibe.export.rigs import GROUPS, NEXT, RigSpec
from vibe.motion.scene import AXES, Character, Scene
from vibe.rotations import quaternions_from_rotmat, rotmat_from_rotvec, unit

R_ROOT = ((1.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.0, -1.0, 0.0))
"""A root bone's axes in the body's: its z points up."""
UP, FORWARD = (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
"""Where the head and the pelvis point, and the toes."""


@dataclass(frozen=True)
class Armature:
    """A person's skeleton, motion and skin on the bones of a rig; lengths are metres."""

    bones: tuple[str, ...]
    parents: tuple[int, ...]
    """Before each bone, -1 for the root."""
    R_body_bone: Float[ndarray, "bone 3 3"]
    """At rest, in the body's own axes (y up, looking along z)."""
    rest: Float[ndarray, "bone 3"]
    """Places at rest, in those axes."""
    ways: Float[ndarray, "bone 3"]
    """Unit vectors along the bones at rest, in those axes."""
    R_scene_bone: Float[ndarray, "time bone 3 3"]
    places: Float[ndarray, "time bone 3"]
    """In the scene."""
    travels: tuple[int, ...]
    """The bones that change their place in their parent: the root, and what a root bone carries."""
    surface: Float[ndarray, "vertex 3"]
    """The skin at rest."""
    weights: Float[ndarray, "vertex bone"]

    def turns(self, bone: int, R_scene_rest: Float[ndarray, "3 3"] | None = None) -> Float[ndarray, "time 3 3"]:
        """A bone's turn in its parent's axes, of the root in the scene's; in double precision.

        With `R_scene_rest` it is the turn since the rest pose, which that stands upright.
        """
        R = self._turned(bone, R_scene_rest)
        above = self.parents[bone]
        R = R if above < 0 else self._turned(above, R_scene_rest).mT @ R
        return orthonormal(R)

    def _turned(self, bone: int, R_scene_rest: Float[ndarray, "3 3"] | None) -> Float[ndarray, "time 3 3"]:
        R = self.R_scene_bone[:, bone].astype(np.float64)
        return R if R_scene_rest is None else R @ (R_scene_rest @ self.R_body_bone[bone]).T

    @property
    def rest_rotmat(self) -> Float[ndarray, "bone 3 3"]:
        """Of each bone at rest in its parent's axes, of the root in the body's."""
        return self._in_parent(self.R_body_bone)

    @property
    def steps(self) -> Float[ndarray, "bone 3"]:
        """From its parent to each bone at rest, in the parent's axes."""
        ways = self.rest - np.where(np.array(self.parents)[:, None] < 0, 0, self.rest[list(self.parents)])
        return self._in_parent(ways[..., None])[..., 0]

    def moves(self, bone: int) -> Float[ndarray, "time 3"]:
        """The place of a bone in its parent's axes, of the root in the scene's."""
        if (parent := self.parents[bone]) < 0:
            return self.places[:, bone]
        ways = self.places[:, bone] - self.places[:, parent]
        return (self.R_scene_bone[:, parent].mT @ ways[..., None])[..., 0]

    def _in_parent(self, what: Float[ndarray, "bone 3 _"]) -> Float[ndarray, "bone 3 _"]:
        above = self.R_body_bone[list(self.parents)].mT @ what
        root = np.array(self.parents) < 0
        above[root] = what[root]
        return above


def orthonormal(R: Float[ndarray, "time 3 3"]) -> Float[ndarray, "time 3 3"]:
    """Rotations in double precision, exact to the last digit: of others SciPy decomposes every one, slowly."""
    x = unit(R[..., 0])
    z = unit(np.cross(x, R[..., 1]))
    return np.stack([x, np.cross(z, x), z], -1)


def build_armature(rig: RigSpec, scene: Scene, character: Character, body: Body, surface: Body) -> Armature:
    """Somebody's motion on a rig; `surface` is the body as its skin is shown, such as with clothes.

    Bones that a rig and SMPL-H share lie where our joints are, at rest in the same pose and in every frame; those of
    fingers are there where the person's are known.
    """
    surface = character.with_fingers(surface)[1]
    character, body = character.with_fingers(body)
    rows, of_joint = _rows(rig, character)
    down = np.tile(np.eye(3, dtype=np.float32), (1, len(character.names), 1, 1))
    for side, sign in (("left", -1), ("right", 1)):
        turn = np.array([0, 0, sign * np.radians(rig.arms_down_deg)], np.float32)
        down[0, character.names.index(f"{side}_shoulder")] = rotmat_from_rotvec(turn)
    betas = character.smpl.betas
    R_rest, rest = (each[0] for each in pose_joints(body, down, betas))
    skin = vertices(surface, down, betas)[0] if rig.arms_down_deg else rest_vertices(surface, betas)
    R_scene, _ = pose_joints(body, character.smpl.rotmat, betas)
    lift = -skin[:, 1].min() * np.array(UP, np.float32) if rig.on_soles else np.zeros(3, np.float32)
    R_axes, ways = _axes(rig, rows, character)
    joints = [row.joint for row in rows]
    R_scene_bone = R_scene[:, joints] @ R_axes
    for place, row in enumerate(rows):
        if row.twist is not None:
            R_scene_bone[:, place] = R_scene[:, row.joint] @ _untwisted(row, character) @ R_axes[place]
    made = Armature(
        bones=tuple(row.bone for row in rows),
        parents=tuple(row.parent for row in rows),
        R_body_bone=R_rest[joints] @ R_axes,
        rest=_along(rows, rest) + lift,
        ways=(R_rest[joints] @ ways[..., None])[..., 0],
        R_scene_bone=R_scene_bone,
        places=_along(rows, character.joints),
        travels=(0,),
        surface=skin + lift,
        weights=_weights(rows, of_joint, surface, character),
    )
    return made if rig.root is None else _with_root(made, rig.root, scene)


@dataclass(frozen=True)
class _Row:
    """A bone: the joint that moves it, and where on the way to the next one it lies."""

    bone: str
    parent: int
    joint: int
    next: int
    share: float = 0.0
    twist: str | None = None


def _rows(rig: RigSpec, character: Character) -> tuple[list[_Row], dict[int, int]]:
    """The bones for the joints that the body has, each behind its parent, and which bone carries a joint's skin."""
    names, rows = character.names, list[_Row]()
    place: dict[str, int] = {}

    def add(row: _Row) -> int:
        rows.append(row)
        place[row.bone] = len(rows) - 1
        return place[row.bone]

    last: dict[tuple[int, int], int] = {}  # of the links from one joint to another
    of_joint: dict[int, int] = {}
    for joint, name in enumerate(names):
        above = character.parents[joint]
        if name not in rig.bones:
            of_joint[joint] = of_joint[above]
            continue
        parent = last.get((above, joint), of_joint.get(above, -1))
        parent = place.get(rig.parents.get(rig.bones[name], ""), parent)
        following = NEXT.get(name, "")
        following = names.index(following) if following in names else joint
        of_joint[joint] = add(_Row(rig.bones[name], parent, joint, following))
        for bone, between in rig.between.items():
            to = between.to or NEXT[between.joint]
            if between.joint == name and to in names:
                link = (joint, names.index(to))
                on = of_joint[joint] if between.twist else last.get(link, of_joint[joint])
                made = add(_Row(bone, on, *link, between.share, between.twist))
                last |= {} if between.twist else {link: made}
    return rows, of_joint


def _along(rows: list[_Row], joints: Float[ndarray, "*b joint 3"]) -> Float[ndarray, "*b bone 3"]:
    """Where the bones begin."""
    first, following = ([getattr(row, name) for row in rows] for name in ("joint", "next"))
    share = np.array([row.share for row in rows], np.float32)[:, None]
    return joints[..., first, :] + share * (joints[..., following, :] - joints[..., first, :])


def _axes(
    rig: RigSpec, rows: list[_Row], character: Character
) -> tuple[Float[ndarray, "bone 3 3"], Float[ndarray, "bone 3"]]:
    """The bones' axes in the body's, and the ways that the bones point, in the T-pose."""
    axes = np.tile(np.eye(3, dtype=np.float32), (len(rows), 1, 1))
    ways: dict[int, ndarray] = {}
    for place, row in enumerate(rows):
        name = character.names[row.joint]
        side, _, joint = name.partition("_")
        group = GROUPS.get(joint, "trunk")
        if row.joint not in ways:
            last = UP if group == "trunk" else ways.get(character.parents[row.joint])
            last = FORWARD if group == "toe" else last
            way = character.rest[row.next] - character.rest[row.joint]
            ways[row.joint] = np.array(last, np.float32) if row.next == row.joint else unit(way)
        if rig.axes:
            along, other, near = (rig.axes.get(group) or rig.axes[f"{side}_{group}"]).split()
            axes[place] = _framed(ways[row.joint], along, other, np.array(AXES[near]))
    return axes, np.stack([ways[row.joint] for row in rows])


def _framed(way: Float[ndarray, "3"], along: str, other: str, near: Float[ndarray, "3"]) -> Float[ndarray, "3 3"]:
    """Axes of which one lies along a way, and another is as near to a direction as can be."""
    first, second = "xyz".index(along[-1]), "xyz".index(other)
    frame = np.zeros((3, 3))
    frame[:, first] = -way if along.startswith("-") else way
    frame[:, second] = unit(near - (near @ way) * way)
    sign = 1 if (second - first) % 3 == 1 else -1
    frame[:, 3 - first - second] = sign * np.cross(frame[:, first], frame[:, second])
    return frame.astype(np.float32)


def _untwisted(row: _Row, character: Character) -> Float[ndarray, "time 3 3"]:
    """The turn about the bone by which a bone beside it differs from the joint: part of the joint's own twist is taken
    back, or part of the next one's comes before."""
    turning, share = (row.joint, row.share - 1) if row.twist == "own" else (row.next, row.share)
    axis = unit(character.rest[row.next] - character.rest[row.joint])
    quaternions = quaternions_from_rotmat(character.smpl.rotmat[:, turning])
    angle = np.unwrap(2 * np.arctan2(quaternions[:, :3] @ axis, quaternions[:, 3]))
    return rotmat_from_rotvec((share * angle[:, None] * axis).astype(np.float32))


def _weights(
    rows: list[_Row], of_joint: dict[int, int], surface: Body, character: Character
) -> Float[ndarray, "vertex bone"]:
    """How much each bone carries each vertex: what the joints do, shared out to the bones beside them by place."""
    weights = np.zeros((len(surface.weights), len(rows)), np.float32)
    for joint, place in of_joint.items():
        weights[:, place] += surface.weights[:, joint]
    skin = rest_vertices(surface, character.smpl.betas)
    for joint in {row.joint for row in rows if row.twist}:
        beside = {row.share: place for place, row in enumerate(rows) if row.joint == joint and row.twist}
        row = next(row for row in rows if row.joint == joint and row.twist)
        beside[1.0 if row.twist == "own" else 0.0] = of_joint[joint]
        start, way = character.rest[joint], character.rest[row.next] - character.rest[joint]
        share = (skin - start) @ way / (way @ way)
        shares, whole = sorted(beside), weights[:, of_joint[joint]].copy()
        for number, one in enumerate(np.eye(len(shares))):
            weights[:, beside[shares[number]]] = whole * np.interp(share, shares, one)
    return weights


def _with_root(made: Armature, name: str, scene: Scene) -> Armature:
    """The same on a bone that lies on the floor below, and does not turn."""
    R_root, up = np.array(R_ROOT, np.float32), np.array(AXES[scene.up], np.float32)
    R_scene_root = np.broadcast_to(scene.R_scene_rest @ R_root, (len(made.places), 1, 3, 3))
    below = made.places[:, :1] - (made.places[:, :1] @ up)[..., None] * up
    return Armature(
        bones=(name, *made.bones),
        parents=(-1, *(parent + 1 for parent in made.parents)),
        R_body_bone=np.concatenate([R_root[None], made.R_body_bone]),
        rest=np.concatenate([np.zeros((1, 3), np.float32), made.rest]),
        ways=np.concatenate([[UP], made.ways]).astype(np.float32),
        R_scene_bone=np.concatenate([R_scene_root, made.R_scene_bone], 1),
        places=np.concatenate([below, made.places], 1),
        travels=(0, 1),
        surface=made.surface,
        weights=np.pad(made.weights, ((0, 0), (1, 0))),
    )
