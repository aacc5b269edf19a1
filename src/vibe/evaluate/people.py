"""People of a store as an evaluation knows them: what is true of them, and what a network reads of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import roma
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from vibe import skeletons
from vibe.body.keypoint_regressor import keypoints
from vibe.body.load import load_smpl
from vibe.body.pose import joints as posed_joints
from vibe.body.pose import rest_joints
from vibe.body.record import Body
from vibe.data.store import SequenceRows, Store
from vibe.evaluate.metrics import PosedBodies
from vibe.evaluate.protocols import Protocol
from vibe.records import Progress, SmplParams, Track

KEYPOINTS = ("keypoints_px.detected17", "keypoints_px.coco17")
"""Columns that a keypoint network can read; the first that is there."""


@dataclass(frozen=True)
class EvaluatedPerson:
    """One recording's truth, row by row; tensors of the rows that count and whose truth is known."""

    sequence: SequenceRows
    rows: Int[Tensor, "time"]
    """Within the recording."""
    frames: Int[Tensor, "time"]
    """Of the source."""
    numbers: Int[Tensor, "time"]
    """Neighbours are one apart where no row is missing between them, and more elsewhere."""
    points: Float[Tensor, "time joint 3"]
    """The protocol's joints in the camera's frame, metres."""
    posed: PosedBodies | None
    """The body, where the protocol takes the truth from it."""


@dataclass(frozen=True)
class EvaluatedEvidence:
    """What is read of one person, at the rows that have it."""

    rows: Int[Tensor, "time"]
    """Within the recording."""
    track: Track
    features: Float[Tensor, "time 2048"] | None
    """None where keypoints are read."""
    what: str
    """The column that it comes from."""


def evaluated_people(
    store: Store, protocol: Protocol, pictures: bool, progress: Progress | None = None
) -> Iterator[tuple[EvaluatedPerson, EvaluatedEvidence]]:
    """Each person that a protocol counts, and what a network reads of them, in their true boxes.

    Raises ValueError or FileNotFoundError, with what to do, if the store lacks any of it.
    """
    people, smpl = sequences_of(store, protocol), cache(load_smpl)
    for done, sequence in enumerate(people):
        if progress:
            progress("people", done, len(people))
        yield person_of(store, sequence, protocol, smpl), evidence_of(store, sequence, pictures)


def sequences_of(store: Store, protocol: Protocol) -> list[SequenceRows]:
    """The recordings that a protocol counts; raises ValueError if there are none, or the store is of another set."""
    kind = store.manifest["recipe"].get("set", protocol.store)
    if kind.removesuffix("-all") != protocol.store:
        raise ValueError(f"{store.folder} is a store of {kind}: {protocol.name} reads one of {protocol.store}")
    chosen = [
        each
        for each in store.sequences
        if each.split == protocol.split and protocol.camera in f"{each.name} {each.source}"
    ]
    if not chosen:
        which = f"the split {protocol.split}" + (f" and the camera {protocol.camera}" if protocol.camera else "")
        raise ValueError(
            f"{store.folder} has no recording of {which}: {protocol.name} reads the store that "
            f"`vibe prepare {protocol.store}` makes"
        )
    return chosen


def person_of(store: Store, sequence: SequenceRows, protocol: Protocol, smpl: Callable[[str], Body]) -> EvaluatedPerson:
    """A recording's truth in a protocol's frames and joints; `smpl` gives the user's body of a gender.

    Raises ValueError if the store lacks it, FileNotFoundError without the user's SMPL body or the H36M regressor where
    they are needed.
    """
    mask = "has_points" if protocol.truth == "points" else "has_theta"
    counted = store.column("valid")[sequence.rows] & store.column(mask)[sequence.rows]
    rows = np.flatnonzero(counted)
    frames = np.array(store.frames[sequence.rows])
    missing = (np.diff(frames, prepend=frames[:1]) != sequence.step).astype(np.int64)
    numbers = np.arange(len(frames)) + missing.cumsum()
    rows_of_all, at = rows + sequence.start, torch.from_numpy(rows)
    if protocol.truth == "points":
        points, posed = _points(store, protocol.joints, rows_of_all), None
    else:
        body = smpl(sequence.gender if protocol.truth == "gendered" else "neutral")
        if "h36m17" not in body.regressors:
            raise FileNotFoundError(
                f"{protocol.name} takes its joints from the H36M regressor, which is not here: run `vibe assets add "
                "J_regressor_h36m.npy` (`vibe assets` says where to get it), or choose 3dpw-smpl24"
            )
        poses, betas, trans = (
            torch.from_numpy(np.array(store.column(name)[rows_of_all])) for name in ("poses", "betas", "trans")
        )
        points = points_of(_posed(body, poses, betas, trans), protocol.joints) + trans[:, None]
        if protocol.half:
            points, poses, betas = points.half().float(), poses.half().float(), betas.half().float()
        posed = _posed(body, poses, betas, trans)
    return EvaluatedPerson(sequence, at, torch.from_numpy(frames)[at], torch.from_numpy(numbers)[at], points, posed)


def evidence_of(store: Store, sequence: SequenceRows, pictures: bool) -> EvaluatedEvidence:
    """What a network reads of a recording: features of its pictures, or keypoints; in boxes that are true.

    Raises ValueError, with what to do, if the store has none.
    """
    column = "features" if pictures else next((name for name in KEYPOINTS if name in store.columns), KEYPOINTS[0])
    if column not in store.columns:
        kind = "features" if pictures else "keypoints"
        raise ValueError(
            f"{store.folder} has no column {column}: add it with `vibe evidence {kind} {store.folder} RAW_DIR`, or "
            "measure with --boxes detected"
        )
    seen = np.zeros((sequence.stop - sequence.start, 17, 3), np.float32)
    if pictures:
        has = store.columns["has_features"][sequence.rows] if "has_features" in store.columns else np.ones(len(seen))
    else:
        seen = np.array(store.column(column)[sequence.rows])
        has = seen[..., 2].any(1)
    rows = np.flatnonzero(has)
    features = torch.from_numpy(store.column(column)[rows + sequence.start]).float() if pictures else None
    box_px = torch.from_numpy(store.column("box_px")[rows + sequence.start])
    frames = torch.from_numpy(store.frames[sequence.rows][rows])
    return EvaluatedEvidence(
        torch.from_numpy(rows), Track(frames, box_px, torch.from_numpy(seen[rows])), features, column
    )


def made_of(store: Store, column: str) -> str | None:
    """What a column was computed with, in a sentence, if the store says so."""
    recipe = store.manifest["columns"].get(column, {}).get("recipe", {})
    name = recipe.get("weights") or recipe.get("model")
    return f"The {column} were made with {name} {recipe['sha256'][:12]}." if name and "sha256" in recipe else None


def points_of(posed: PosedBodies, joints: str) -> Float[Tensor, "time joint 3"]:
    """A joint set of a body about its own origin, metres."""
    body, rotmat, betas = posed.body, posed.smpl.rotmat, posed.smpl.betas
    if joints == "smpl24":
        return posed_joints(body, rotmat, betas)
    if joints in body.marks:
        return keypoints(body, rotmat, betas, joints)
    return skeletons.convert_joints(keypoints(body, rotmat, betas, "h36m17"), "h36m17", joints)


def _posed(
    body: Body, poses: Float[Tensor, "time 72"], betas: Float[Tensor, "time 10"], trans: Float[Tensor, "time 3"]
) -> PosedBodies:
    """The body as a store has it, whose `trans` is the pelvis's way from its place at rest."""
    rotmat = roma.rotvec_to_rotmat(poses.unflatten(-1, (-1, 3)))
    return PosedBodies(body, SmplParams(rotmat, betas, rest_joints(body, betas)[:, 0] + trans))


def _points(store: Store, joints: str, rows: Int[ndarray, "time"]) -> Float[Tensor, "time joint 3"]:
    """The set's own joints: a column of the protocol's set, or one that holds them all."""
    sets = [name.removeprefix("points.") for name in store.columns if name.startswith("points.")]
    holders = [name for name in sets if set(skeletons.JOINT_SETS[joints]) <= set(skeletons.JOINT_SETS[name])]
    if not holders:
        have = ", ".join(sets) or "none"
        raise ValueError(f"{store.folder} has no true joints {joints} (it has {have}): prepare the set again")
    holder = joints if joints in holders else holders[0]
    points = torch.from_numpy(np.array(store.column(f"points.{holder}")[rows]))
    return skeletons.convert_joints(points, holder, joints)
