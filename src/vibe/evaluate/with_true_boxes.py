"""People of a store, what is true of them and what a network reads of them; its errors in boxes that are true."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import roma
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from vibe import assets, skeletons
from vibe.arrays import as_tensors
from vibe.body.keypoint_regressor import keypoints
from vibe.body.load import load_smpl
from vibe.body.pose import joints as posed_joints
from vibe.body.pose import rest_joints
from vibe.body.record import Body
from vibe.data.store import MANIFEST, SequenceRows, Store, open_store
from vibe.evaluate.metrics import PosedBodies, has_one_mesh, surface_errors_mm
from vibe.evaluate.protocols import VIBE_OFFICIAL, Protocol
from vibe.evaluate.scores import Compared, Report, System, Tallies, Tally, all_scores, systems
from vibe.inference import config, estimate
from vibe.models.network import Network
from vibe.motion import Motion
from vibe.parallel import one_thread
from vibe.records import Camera, Clip, Progress, SmplParams, Track

BOXES = "true"
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
    """Each person that a protocol counts, and what a network reads of them; raises ValueError, FileNotFoundError."""
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
        if protocol.joints != "smpl24" and "h36m17" not in body.regressors:
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
    """What a network reads of a recording in true boxes, features of its pictures or keypoints; raises ValueError."""
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


def with_true_boxes(
    data: Path, protocol: Protocol, network: Network, after: Sequence[System], progress: Progress | None = None
) -> Report:
    """Score a network, with each of the systems after it, on the store in a folder.

    Works on one thread, person by person, so that the numbers do not depend on the machine's load. Raises
    FileNotFoundError or ValueError, with what to do, for a folder that is no store or lacks what the protocol needs.
    """
    store, body = open_store(data), config.choose_body(None, network)[0]
    tallies: Tallies = defaultdict(Tally)
    with one_thread():
        for person, seen in evaluated_people(store, protocol, network.evidence == "images", progress):
            found = torch.isin(person.rows, seen.rows)
            made = motions(person.sequence, seen, network, body, after)
            for system in after:
                tally = tallies[seen.what, system.name, protocol.says, person.sequence.name]
                tally.found.append(found)
                if system.name in made:
                    its, mine = both(person.rows, seen.rows)
                    clip = compared(person, its, made[system.name], mine, body, protocol)
                    tally.add(clip, measurable(protocol, person, body))
    return report(store, protocol, BOXES, network, body, tallies)


def motions(
    sequence: SequenceRows, seen: EvaluatedEvidence, network: Network, body: Body, after: Sequence[System]
) -> dict[str, Motion]:
    """What the network says of one person, by the name of the system after it; nothing where nothing is read."""
    if not len(seen.rows):
        return {}
    rate, camera = sequence.fps * sequence.step, camera_of(sequence, network)
    # the video behind a recording, as far as the store tells: its times, and no picture
    times = torch.arange(int(seen.track.frames[-1]) + 1, dtype=torch.float64) / rate
    clip = Clip(Path(sequence.source), rate, 0, 0, times, 0)
    how, read = [system.refinement for system in after], None if seen.features is None else seen.features.__getitem__
    motions = estimate.estimate_track(seen.track, clip, camera, network, body, how, read)
    return {system.name: motion for system, motion in zip(after, motions, strict=True)}


def camera_of(sequence: SequenceRows, network: Network) -> Camera:
    """The recording's own; where it is not known, a stand-in for features, which need none, or else ValueError."""
    if sequence.K_px is not None:
        return Camera(torch.from_numpy(sequence.K_px).float(), 0, 0)
    if network.evidence == "keypoints":
        raise ValueError(
            f"the camera of {sequence.name} is not known, and {network.about.name} reads keypoints in it: prepare the "
            "set with its intrinsics, or measure with --boxes detected"
        )
    return Camera(torch.tensor([[1e3, 0.0, 0.0], [0.0, 1e3, 0.0], [0.0, 0.0, 1.0]]), 0, 0)


def both(one: Int[Tensor, "_"], other: Int[Tensor, "_"]) -> tuple[Int[Tensor, "common"], Int[Tensor, "common"]]:
    """Where the numbers that both lists hold stand in each; both increase."""
    return torch.isin(one, other).nonzero()[:, 0], torch.isin(other, one).nonzero()[:, 0]


def compared(
    person: EvaluatedPerson, its: Int[Tensor, "row"], motion: Motion, mine: Int[Tensor, "row"], body: Body,
    protocol: Protocol,
) -> Compared:  # fmt: skip
    """Rows of a motion beside those rows of the truth, in the camera's frame."""
    smpl = as_tensors(motion.smpl_shaped).at(mine)
    posed = PosedBodies(body, smpl)
    placed = points_of(posed, protocol.joints) - rest_joints(body, smpl.betas)[..., :1, :] + smpl.pelvis[:, None]
    surface, true = {}, person.posed
    if true is not None and has_one_mesh(body, true.body):
        surface = surface_errors_mm(posed, replace(true, smpl=true.smpl.at(its)))
    return Compared(
        placed, person.points[its], person.numbers[its], person.sequence.fps, protocol.centre, protocol.ground, surface
    )


def measurable(protocol: Protocol, person: EvaluatedPerson, body: Body) -> list[str]:
    """The protocol's metrics but for those of surfaces that can't be compared, and of places without a camera."""
    meshes = person.posed is not None and has_one_mesh(body, person.posed.body)
    unknown = () if person.sequence.K_px is not None else ("foot_slide_mm",)
    surfaces = () if meshes else ("pve_mm", "pve_unaligned_mm")
    return [name for name in protocol.metrics if name not in (*unknown, *surfaces)]


def report(store: Store, protocol: Protocol, boxes: str, network: Network, body: Body, tallies: Tallies) -> Report:
    """The scores with all that is needed to read them."""
    made = (made_of(store, column) for column in dict.fromkeys(evidence for evidence, *_ in tallies))
    notes = (f"Counted: {protocol.frames}.", *filter(None, made))
    if protocol.joints != "smpl24" and "h36m17" not in body.regressors:
        near = f"its {protocol.joints} joints stand near the published places, some centimetres off."
        notes += (f"The body {body.origin.name} has no H36M regressor: {near}",)
    rates = tuple(sorted({sequence.fps for sequence in sequences_of(store, protocol)}))
    data = assets.sha256(store.folder / MANIFEST)
    return Report(protocol.name, boxes, data, rates, network.about, body.origin, all_scores(tallies), notes)


ALONE = systems(refine=False, smoothing="none")
"""Nothing follows the network."""
SURFACE = "pve_unaligned_mm"


def vibe_official(data: Path, network: Network, progress: Progress | None = None) -> Report:
    """Score a network alone on the store of 3DPW in a folder, as the published evaluator would.

    Raises FileNotFoundError or ValueError, with what to do, for a folder that is no store or lacks what is needed.
    """
    store, body = open_store(data), config.choose_body(None, network)[0]
    protocol, size, what = VIBE_OFFICIAL, VIBE_OFFICIAL.window, ""
    assert size is not None
    parts: list[Compared] = []
    wanted: list[str] = []
    with one_thread():
        for person, seen in evaluated_people(store, protocol, network.evidence == "images", progress):
            what, wanted = seen.what, measurable(protocol, person, body)
            its, mine = both(person.rows, seen.rows)
            at = torch.arange(size)
            for start in range(0, len(its) - size + 1, size):
                part = mine[start : start + size]
                track = Track(at * person.sequence.step, seen.track.box_px[part], seen.track.keypoints_px[part])
                piece = EvaluatedEvidence(at, track, None if seen.features is None else seen.features[part], what)
                (motion,) = motions(person.sequence, piece, network, body, ALONE).values()
                parts.append(compared(person, its[start : start + size], motion, at, body, protocol))
    if not parts:
        raise ValueError(f"{data} has no recording of {size} frames: {protocol.name} reads so many at a time")
    whole = Tally()
    whole.add(official_end_to_end(parts), wanted)
    tallies: Tallies = defaultdict(Tally, {(what, ALONE[0].name, protocol.says, protocol.split): whole})
    return report(store, protocol, BOXES, network, body, tallies)


def official_end_to_end(parts: Sequence[Compared]) -> Compared:
    """Pieces as if they were one clip."""
    points = {name: torch.cat([getattr(part, name) for part in parts]) for name in ("predicted", "truth")}
    surface = {name: torch.cat([part.surface_mm[name] for part in parts]) for name in parts[0].surface_mm}
    return replace(parts[0], **points, frames=torch.arange(len(points["truth"])), surface_mm=surface)
