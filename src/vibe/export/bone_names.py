"""Which bone of a user's character is which joint: by the names of known rigs, by VRM's own table, or by a map file."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vibe.errors import damaged, shorten
from vibe.export.character_file import CharacterFile
from vibe.export.rigs import RIGS, SIDES, TRUNK, RigSpec
from vibe.skeletons import SMPLH, SMPLH_PARENTS

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
