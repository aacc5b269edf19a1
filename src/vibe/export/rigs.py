"""The rigs that motions are exported on: names, hierarchy, rest pose and bone axes as other programs expect them; and
which bone of a user's character is which joint: by the names of known rigs, by VRM's own table, or by a map file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vibe.errors import damaged, shorten
from vibe.export.character_file import CharacterFile
from vibe.skeletons import SMPLH, SMPLH_PARENTS

SIDES = ("left", "right")
FINGERS = ("index", "middle", "pinky", "ring", "thumb")
TRUNK = ("pelvis", "spine1", "spine2", "spine3", "neck", "head")
LIMBS = ("hip", "knee", "ankle", "foot", "collar", "shoulder", "elbow", "wrist")
"""Joints of each side."""
NEXT = {"spine1": "spine2", "spine2": "spine3", "spine3": "neck", "neck": "head"} | {
    f"{side}_{joint}": f"{side}_{following}"
    for side in SIDES
    for joint, following in [
        *[("collar", "shoulder"), ("shoulder", "elbow"), ("elbow", "wrist"), ("wrist", "middle1")],
        *[("hip", "knee"), ("knee", "ankle"), ("ankle", "foot")],
        *[(f"{finger}{number}", f"{finger}{number + 1}") for finger in FINGERS for number in (1, 2)],
    ]
}
"""The joint that a joint's bone points at."""
GROUPS = {"hip": "leg", "knee": "leg", "ankle": "leg", "foot": "toe", "collar": "collar"}
GROUPS |= dict.fromkeys(("shoulder", "elbow", "wrist", "hand"), "arm")
GROUPS |= {f"{finger}{number}": "finger" for finger in FINGERS for number in (1, 2, 3)}
"""The part of a body that the joints of a side belong to; all others are of the trunk."""


@dataclass(frozen=True)
class Between:
    """A bone that lies on the way from one joint to the next."""

    joint: str
    """Whose bone it is part of."""
    share: float
    """Of the way, where it begins."""
    twist: str | None = None
    """None: a link of the chain, which moves with the joint. own: beside the bone, turned by this share of how far the
    joint twists about it. next: beside the bone, turned by this share of how far the next joint does."""
    to: str | None = None
    """The next joint where it is not that of `NEXT`."""


@dataclass(frozen=True)
class RigSpec:
    """A skeleton that programs know by its names."""

    bones: dict[str, str]
    """The bone of each joint of SMPL-H; a joint that is left out hands its skin to the one above."""
    between: dict[str, Between] = field(default_factory=dict)
    """Further bones by name; those on the way to a finger exist where the fingers do."""
    axes: dict[str, str] = field(default_factory=dict)
    """For each part of the body (`GROUPS`, with the side before it where both differ): the bone's axis along the bone,
    another of its axes, and the direction, in the body's axes in the T-pose, that this one is nearest to. Without any,
    bones have the body's own axes."""
    arms_down_deg: float = 0.0
    """0: rests in a T-pose; else in an A-pose, the arms this far below it."""
    root: str | None = None
    """A bone on the floor below the pelvis, which it carries; None: the pelvis's bone is the root."""
    on_soles: bool = True
    """Whether the rest pose stands on height 0; else its pelvis is where the body has it."""
    parents: dict[str, str] = field(default_factory=dict)
    """The bones that hang elsewhere than SMPL-H's joints do."""

    @property
    def about(self) -> dict[str, str]:
        """What a file says of its bones."""
        (name,) = (name for name, rig in RIGS.items() if rig is self)
        return {} if name == "smpl" else {"joints": f"the bones of {name}"}


def _named(trunk: str, limbs: str, limb: str, fingers: dict[str, str], sides: tuple[str, str]) -> dict[str, str]:
    """Bones of SMPL-H's joints: names in the order of `TRUNK` and `LIMBS`, the latter put into a pattern of side and
    name."""
    bones: dict[str, str] = dict(zip(TRUNK, trunk.split(), strict=True))
    for side, word in zip(SIDES, sides, strict=True):
        bones |= {f"{side}_{joint}": limb.format(word, name) for joint, name in zip(LIMBS, limbs.split(), strict=True)}
        bones |= {f"{side}_{joint}": limb.format(word, name) for joint, name in fingers.items()}
    return bones


def _fingers(pattern: str, **names: str) -> dict[str, str]:
    """Names of the finger joints by a pattern of finger and number."""
    return {
        f"{each}{number}": pattern.format(names.get(each, each), number) for each in FINGERS for number in (1, 2, 3)
    }


def _sided(between: dict[str, Between], limb: str, sides: tuple[str, str]) -> dict[str, Between]:
    """The same for both sides."""
    return {
        limb.format(word, name): Between(
            f"{side}_{each.joint}", each.share, each.twist, each.to and f"{side}_{each.to}"
        )
        for side, word in zip(SIDES, sides, strict=True)
        for name, each in between.items()
    }


_TITLES = {finger: finger.title() for finger in FINGERS}
_PHALANGES = {"1": "Proximal", "2": "Intermediate", "3": "Distal"}
_VRM_FINGERS = {
    f"{finger}{number}": {"pinky": "Little"}.get(finger, finger.title()) + name
    for finger in FINGERS
    for number, name in _PHALANGES.items()
} | {"thumb1": "ThumbMetacarpal", "thumb2": "ThumbProximal"}
_UE5_BETWEEN = {
    "upperarm_twist_01": Between("shoulder", 0.0, "own"),
    "upperarm_twist_02": Between("shoulder", 0.5, "own"),
    "lowerarm_twist_02": Between("elbow", 1 / 3, "next"),
    "lowerarm_twist_01": Between("elbow", 2 / 3, "next"),
    "thigh_twist_01": Between("hip", 0.0, "own"),
    "thigh_twist_02": Between("hip", 0.5, "own"),
    "calf_twist_02": Between("knee", 1 / 3, "next"),
    "calf_twist_01": Between("knee", 2 / 3, "next"),
    **{f"{finger}_metacarpal": Between("wrist", 0.3, to=f"{finger}1") for finger in FINGERS if finger != "thumb"},
}
_PALMS = ("index", "middle", "ring", "pinky")
_SMPL_BONES = {joint: joint for joint in TRUNK} | {
    f"{side}_{joint}": f"{side}_{joint}" for side in SIDES for joint in (*LIMBS, "hand", *_fingers("{0}{1}"))
}
RIGS: dict[str, RigSpec] = {
    "smpl": RigSpec(_SMPL_BONES, on_soles=False),
    "mixamo": RigSpec(
        {
            joint: f"mixamorig:{bone}"
            for joint, bone in _named(
                "Hips Spine Spine1 Spine2 Neck Head",
                "UpLeg Leg Foot ToeBase Shoulder Arm ForeArm Hand",
                "{0}{1}",
                _fingers("Hand{0}{1}", **_TITLES),
                ("Left", "Right"),
            ).items()
        },
        axes={
            "trunk": "y z z", "leg": "y x -x", "toe": "y x -x",
            "collar": "y z -y", "arm": "y z -y", "finger": "y z -y",
        },
    ),
    "ue5": RigSpec(
        _named(
            "pelvis spine_01 spine_03 spine_05 neck_01 head",
            "thigh calf foot ball clavicle upperarm lowerarm hand",
            "{1}_{0}",
            _fingers("{0}_0{1}"),
            ("l", "r"),
        ),
        {"spine_02": Between("spine1", 0.5), "spine_04": Between("spine2", 0.5), "neck_02": Between("neck", 0.5)}
        | _sided(_UE5_BETWEEN, "{1}_{0}", ("l", "r")),
        axes={
            "trunk": "x z -x",
            "left_leg": "-x z -x", "right_leg": "x z -x",
            "left_toe": "-x z -x", "right_toe": "x z -x",
            "left_collar": "x z y", "left_arm": "x z y", "left_finger": "x z y",
            "right_collar": "-x z -y", "right_arm": "-x z -y", "right_finger": "-x z -y",
        },
        arms_down_deg=45.0,
        root="root",
    ),
    "vrm": RigSpec(
        _named(
            "hips spine chest upperChest neck head",
            "UpperLeg LowerLeg Foot Toes Shoulder UpperArm LowerArm Hand",
            "{0}{1}",
            _VRM_FINGERS,
            SIDES,
        ),
    ),
    "rigify": RigSpec(
        _named(
            "spine spine.001 spine.002 spine.003 spine.004 spine.006",
            "thigh shin foot toe shoulder upper_arm forearm hand",
            "{1}.{0}",
            _fingers("f_{0}.0{1}") | {f"thumb{number}": f"thumb.0{number}" for number in (1, 2, 3)},
            ("L", "R"),
        ),
        {"spine.005": Between("neck", 0.5)}
        | _sided(
            {f"palm.0{number}": Between("wrist", 0.3, to=f"{each}1") for number, each in enumerate(_PALMS, start=1)},
            "{1}.{0}",
            ("L", "R"),
        ),
        axes={
            "trunk": "y z z", "leg": "y x x", "toe": "y x -x",
            "collar": "y z y", "arm": "y z z", "finger": "y z -y",
        },
        arms_down_deg=30.0,
        parents={"thumb.01.L": "palm.01.L", "thumb.01.R": "palm.01.R"},
    ),
}  # fmt: skip
"""By the name that `--rig` takes. Axes are those of the published skeletons as far as they are public; Rigify's are its
human metarig's."""


SPINE = TRUNK[1:4]
NEEDED = ("pelvis", "head", *(f"{side}_{joint}" for side in SIDES for joint in "hip knee ankle".split())) + tuple(
    f"{side}_{joint}" for side in SIDES for joint in "shoulder elbow wrist".split()
)
"""The joints without which there is nothing to move; one of the spine beside them."""
PREFIX = re.compile(r"^.*[:|]|^mixamorig\d*|^DEF-|^[mf]_avg_|^_rootJoint", re.IGNORECASE)
"""What programs put before a bone's name."""
OFFICIAL = {f"{side}_{joint}": f"{side[0]}_{joint}" for side in SIDES for joint in "hip knee ankle foot".split()} | {
    f"{side}_{joint}": f"{side[0]}_{joint}" for side in SIDES for joint in "collar shoulder elbow wrist".split()
}
"""The names that SMPL's own characters have beside the joints'."""
VRM_0_THUMBS = {"thumb1": "ThumbProximal", "thumb2": "ThumbIntermediate"}
LONGEST_MAP = 1 << 16
"""Bytes of a map file."""
UNEVEN = 0.01
"""Share by which a bone's axes may be scaled differently."""
SHOWN = 8
"""Names that a message repeats."""


def find_bones(file: CharacterFile, map_file: Path | None = None) -> dict[str, int]:
    """The node of each joint of SMPL-H that the character has, in SMPL-H's order.

    Raises ValueError where needed bones are unknown, doubled, unevenly scaled, mirrored or hang elsewhere than a body's
    do; it names them and says what to do.
    """
    if map_file is not None:
        found = _mapped(file, map_file)
    else:
        found = _of_vrm(file) or max((_by_names(file, rig) for rig in _conventions()), key=len)
    source = file.path if map_file is None else f"{map_file}: {file.path}"
    missing = [joint for joint in NEEDED if joint not in found] + ["spine1"] * (not set(SPINE) & set(found))
    if missing:
        called = ", ".join(shorten(name) for name in file.names[:SHOWN])
        raise ValueError(
            f"{source} has no bone that is known for {', '.join(missing)} (its nodes are called {called} ...): name "
            'them in a file such as {"left_hip": "MyThigh_L"}, and give it with --bones'
        )
    found = {joint: found[joint] for joint in SMPLH if joint in found}
    return _hanging(source, file, found)


def _conventions() -> list[tuple[dict[str, str], list[str]]]:
    """For each rig the bones' names by joint, and those of the spine from below."""
    tables = []
    for rig in RIGS.values():
        tables.append((rig.bones, _spine(rig)))
    tables.append((RIGS["smpl"].bones | OFFICIAL, list(SPINE)))
    return tables


def _spine(rig: RigSpec) -> list[str]:
    bones = []
    for joint in SPINE:
        bones.append(rig.bones[joint])
        bones += [bone for bone, between in rig.between.items() if between.joint == joint]
    return bones


def _plain(name: str) -> str:
    """A name as it is compared."""
    return re.sub(r"[^a-z0-9]", "", PREFIX.sub("", name).lower())


def _by_names(file: CharacterFile, convention: tuple[dict[str, str], list[str]]) -> dict[str, int]:
    """The joints that are found by one convention; raises ValueError for a name that two bones have."""
    named: dict[str, list[int]] = {}
    for node in file.bones:
        named.setdefault(_plain(file.names[node]), []).append(node)
    bones, spine = convention
    found = {}
    for joint, bone in bones.items():
        nodes = named.get(_plain(bone), []) if joint not in SPINE else []
        if len(nodes) > 1 and joint in NEEDED:
            raise ValueError(
                f"{file.path} has {len(nodes)} bones called {shorten(file.names[nodes[0]])}: leave one character in it"
            )
        found |= {joint: nodes[0]} if nodes else {}
    return found | _of_spine([named[_plain(bone)][0] for bone in spine if _plain(bone) in named])


def _of_spine(nodes: list[int]) -> dict[str, int]:
    """The spine's joints for however many bones it has: the first and the last count most."""
    joints = {0: (), 1: SPINE[-1:], 2: SPINE[::2]}.get(len(nodes), SPINE)
    places = np.linspace(0, len(nodes) - 1, len(joints)).round().astype(int)
    return {joint: nodes[place] for joint, place in zip(joints, places, strict=True)}


def _of_vrm(file: CharacterFile) -> dict[str, int]:
    """By VRM's table of humanoid bones, of version 1 or 0; empty where there is none."""
    extensions = file.head.get("extensions", {})
    with damaged(f"the humanoid bones of {file.path} can't be read", "export the avatar again"):
        if "VRMC_vrm" in extensions:
            told = {name: bone["node"] for name, bone in extensions["VRMC_vrm"]["humanoid"]["humanBones"].items()}
            thumbs: Mapping[str, str] = {}
        elif "VRM" in extensions:
            told = {bone["bone"]: bone["node"] for bone in extensions["VRM"]["humanoid"]["humanBones"]}
            thumbs = VRM_0_THUMBS
        else:
            return {}
        bones = dict(RIGS["vrm"].bones)
        bones |= {f"{side}_{joint}": side + name for side in SIDES for joint, name in thumbs.items()}
        if not all(type(node) is int and 0 <= node < len(file.names) for node in told.values()):
            raise ValueError("a bone is a node that is not there")
    found = {joint: told[bone] for joint, bone in bones.items() if bone in told and joint not in SPINE}
    return found | _of_spine([told[bones[joint]] for joint in SPINE if bones[joint] in told])


def _mapped(file: CharacterFile, path: Path) -> dict[str, int]:
    """By a JSON file of joints and the names of their bones."""
    if path.stat().st_size > LONGEST_MAP:
        raise ValueError(f"{path} is too long for a map of bones: give a JSON file of joints and bones")
    with damaged(f"{path} is no map of bones", 'write {"left_hip": "MyThigh_L", ...}', RecursionError):
        told: Any = json.loads(path.read_bytes())
        wrong = [joint for joint, bone in told.items() if joint not in SMPLH or not isinstance(bone, str)]
    if wrong:
        raise ValueError(f"{path}: {shorten(wrong[0])} is no joint with a name: joints are {', '.join(SMPLH[:22])} ...")
    found = {}
    for joint, bone in told.items():
        if (count := file.names.count(bone)) != 1:
            raise ValueError(f"{path}: {file.path} has {count} nodes called {shorten(bone)}: name one of them")
        found[joint] = file.names.index(bone)
    return found


def _hanging(source: Path | str, file: CharacterFile, found: dict[str, int]) -> dict[str, int]:
    """The bones that hang on the bones of the joints above them; those of fingers that do not are left out."""
    kept: dict[str, int] = {}
    for joint, node in found.items():
        above = SMPLH_PARENTS[SMPLH.index(joint)]
        while above >= 0 and SMPLH[above] not in kept:
            above = SMPLH_PARENTS[above]
        parent = file.parents[node]
        while parent >= 0 and parent not in found.values():
            parent = file.parents[parent]
        if parent != (kept[SMPLH[above]] if above >= 0 else -1):
            if joint not in NEEDED:
                continue
            raise ValueError(
                f"{source}: the bone {shorten(file.names[node])} does not hang on that of {SMPLH[above]}: export "
                "the deforming bones alone, as one tree"
            )
        axes = file.matrices[node, :3, :3]
        size = np.linalg.norm(axes, axis=0)
        if np.linalg.det(axes) <= 0:
            raise ValueError(f"{source}: the bone {shorten(file.names[node])} is mirrored: apply its scale and export")
        even = np.abs(axes.T @ axes / size.mean() ** 2 - np.eye(3)).max()
        if even > UNEVEN:
            raise ValueError(
                f"{source}: the bone {shorten(file.names[node])} is scaled unevenly: apply its scale and export"
            )
        kept[joint] = node
    return kept
