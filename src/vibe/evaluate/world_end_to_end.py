"""The whole product over the pictures behind a store, compared with the truth in the world; and the protocol
`open-world`: on rendered videos, against the truth about people, floor and camera.

What is compared is the result of `vibe estimate` on each sequence, told its lens and nothing else.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from torch import Tensor

from vibe import assets
from vibe.arrays import as_numpy, as_tensors
from vibe.assets.archives import read_npz
from vibe.body.load import find_body
from vibe.cameras import fov_from_focal
from vibe.data.store import MANIFEST, SequenceRows, Store, open_store
from vibe.evaluate.end_to_end import BOXES, matched
from vibe.evaluate.metrics import ANGLES, angle_errors_deg, event_errors
from vibe.evaluate.open_world_clips import MANIFEST as CLIP_LIST
from vibe.evaluate.open_world_clips import read_clip_list
from vibe.evaluate.protocols import Protocol
from vibe.evaluate.scores import WORLD, Compared, Report, System, Tallies, Tally, all_scores
from vibe.evaluate.with_true_boxes import sequences_of
from vibe.evaluate.world_metrics import WorldCompared, path_length
from vibe.inference.config import EstimatorConfig, choose_body
from vibe.inference.estimate import Estimator
from vibe.inference.track import load_detector, load_pose_model
from vibe.models.network import Network
from vibe.motion import Motion
from vibe.parallel import one_thread
from vibe.records import Progress
from vibe.skeletons import SPIN49, index
from vibe.synthetic.standing import FEET

SMPL24 = "24 joints in the world"
POINTS = ("points.smpl24", "points.spin49", "R_world_cam", "t_world_cam")
"""Columns that a store needs."""


def product(network: Network, system: System) -> Estimator:
    """What `vibe estimate` runs, with these weights and what follows them, on the CPU."""
    config = EstimatorConfig(device="cpu").resolved()
    models = load_detector(config.detector), load_pose_model(config.pose_model)
    return Estimator(config, *models, network, choose_body(None, network)[0], system.refinement, ())


def world_end_to_end(
    data: Path, raw: Path, protocol: Protocol, network: Network, after: Sequence[System],
    progress: Progress | None = None,
) -> Report:  # fmt: skip
    """Score the product, with the last of the systems after the network, on the people of the store in a folder.

    Works on one thread. Raises FileNotFoundError or ValueError, with what to do, for a folder that is no store, lacks
    columns, or has no pictures.
    """
    store, system = open_store(data), after[-1]
    if missing := [name for name in POINTS if name not in store.columns]:
        raise ValueError(f"{data} has no {', '.join(missing)}: run `vibe prepare {protocol.store}` again")
    people, estimator = sequences_of(store, protocol), product(network, system)
    tallies: Tallies = defaultdict(Tally)
    with one_thread():
        for done, sequence in enumerate(people):
            if progress:
                progress("sequences", done, len(people))
            path = raw / sequence.source
            if not path.exists():
                raise FileNotFoundError(f"{path} is not there: give the folder of the set's own downloads with --raw")
            config = replace(estimator.config, fov_deg=_fov_deg(sequence), fps=sequence.fps)
            result = replace(estimator, config=config).estimate(path)
            rows = _counted(store, sequence, protocol)
            tally = tallies["pictures", system.name, SMPL24, sequence.name]
            motion = _who(store, sequence, rows, result.people)
            seen = np.isin(store.frames[sequence.rows][rows], motion.frames if motion else [])
            tally.found.append(torch.from_numpy(seen))
            if motion is not None and motion.R_world_cam is not None and seen.any():
                tally.add(_compared(store, sequence, rows[seen], motion, protocol), protocol.metrics)
    notes = (f"Counted: {protocol.frames}.", "The lens is told (the set's focal length).")
    rates = tuple(sorted({sequence.fps for sequence in people}))
    about = network.about, estimator.body.origin, all_scores(tallies)
    return Report(protocol.name, BOXES, assets.sha256(data / MANIFEST), rates, *about, notes)


def compared_in_world(
    motion: Motion, truth_world: Float[Tensor, "time 24 3"], feet_world: Float[Tensor, "time 4 3"],
    R_world_cam: Float[Tensor, "time 3 3"], t_world_cam: Float[Tensor, "time 3"], fps: float,
    stands: Bool[Tensor, "time 4"] | None = None, centre: Sequence[int] = (0,),
) -> Compared:  # fmt: skip
    """A motion beside the truth at its frames; the truth in a world of its own, with the true camera in it."""
    feet = motion.joints("spin49", space="world").values[:, index(SPIN49, FEET)]
    said = motion.contacts if motion.contacts is not None else np.full((len(motion), len(FEET)), np.nan)
    assert motion.R_world_cam is not None
    world = WorldCompared(
        joints=(as_tensors(motion.joints_world), truth_world),
        feet=(as_tensors(feet), feet_world),
        soles=as_tensors(motion.vertices(space="world")[..., 2].min(1)),
        R_world_cam=(as_tensors(motion.R_world_cam), R_world_cam),
        stands=torch.zeros(len(motion), len(FEET), dtype=torch.bool) if stands is None else stands,
        contacts=as_tensors(said),
    )
    truth_cam = (truth_world - t_world_cam[:, None]) @ R_world_cam
    frames = torch.from_numpy(motion.frames)
    return Compared(as_tensors(motion.joints_cam), truth_cam, frames, fps, centre, world=world)


def _fov_deg(sequence: SequenceRows) -> float:
    """Across the diagonal, taken as if the principal point were in the middle; ValueError where it is not known."""
    if sequence.K_px is None:
        raise ValueError(f"the camera of {sequence.name} is not known: prepare the set again")
    return fov_from_focal((sequence.K_px[0, 0] + sequence.K_px[1, 1]) / 2, 2 * math.hypot(*sequence.K_px[:2, 2]))


def _counted(store: Store, sequence: SequenceRows, protocol: Protocol) -> Int[ndarray, "row"]:
    """Rows of the sequence that the protocol counts."""
    return np.flatnonzero(store.column("valid")[sequence.rows] & store.column("has_points")[sequence.rows])


def _who(store: Store, sequence: SequenceRows, rows: Int[ndarray, "row"], people: Sequence[Motion]) -> Motion | None:
    """Who of those that were found overlaps the true box in most of the frames that count."""

    def row_of(name: str) -> Tensor:
        return torch.from_numpy(np.array((store.column(name) if name else store.frames)[sequence.rows][rows]))

    found = [(torch.from_numpy(each.frames), torch.from_numpy(each.box_px)) for each in people]
    (chosen,) = matched([(row_of(""), row_of("box_px"))], found)
    votes = np.bincount(chosen[chosen >= 0].numpy(), minlength=len(people))
    return people[int(votes.argmax())] if votes.any() else None


def _compared(
    store: Store, sequence: SequenceRows, rows: Int[ndarray, "row"], motion: Motion, protocol: Protocol
) -> Compared:
    """The motion and the truth at these rows of a sequence."""
    numbers = store.frames[sequence.rows][rows]
    found = motion.at(np.isin(motion.frames, numbers))
    points, spin49, R_world_cam, t_world_cam = (
        torch.from_numpy(np.array(store.column(name)[sequence.rows][rows])).double() for name in POINTS
    )
    world, feet = (each @ R_world_cam.mT + t_world_cam[:, None] for each in (points, spin49[:, index(SPIN49, FEET)]))
    return compared_in_world(
        found, world, feet, R_world_cam, t_world_cam, sequence.fps * sequence.step, centre=protocol.centre
    )


OPEN_WORLD = "open-world"
CAMERA = "the camera alone"
WANTED = (
    "pa_mpjpe_mm", "mpjpe_mm", *WORLD, "penetration_mm", "floating_mm", "floor_tilt_deg", "camera_rotation_deg",
    "contact_f1", *(f"{name}_rms_deg" for name in ANGLES), "event_frames", "event_f1",
)  # fmt: skip
CLOSE = 0.15
"""Share of a person's height in the picture within which the joints of one who is found lie, on the mean."""
LEAST_PATH = 1.5
"""Metres: RTE is not told of people who go less far, whose path is mostly sway."""
NOTES = (
    "The lens is told (its true angle of view), as published evaluations of EMDB take it from the set.",
    "W-MPJPE and WA-MPJPE in chunks of 100 frames after a similarity (of the first two; of all); RTE after a rigid "
    f"motion, of people who go {LEAST_PATH:g} m or more; F1 of contacts, strikes and offs are means over people, all "
    "others over frames, contacts or events.",
)


@dataclass(frozen=True)
class ClipTruth:
    """What a clip's file holds."""

    fps: float
    fov_deg: float
    R_world_cam: Float[Tensor, "time 3 3"]
    t_world_cam: Float[Tensor, "time 3"]
    people: tuple[Mapping[str, Tensor], ...]
    """By the names of `vibe.evaluate.open_world_clips.truth_arrays`."""


def open_world(data: Path, network: Network, after: Sequence[System], progress: Progress | None = None) -> Report:
    """Score the product, with the last of the systems after the network, on the clips in a folder.

    Works on one thread, clip by clip, so that the numbers do not depend on the machine's load. Raises FileNotFoundError
    or ValueError for a folder that `build_open_world` did not finish.
    """
    manifest, system = read_clip_list(data), after[-1]
    estimator = product(network, system)
    tallies: Tallies = defaultdict(Tally)
    with one_thread():
        for done, (name, about) in enumerate(manifest["clips"].items()):
            if progress:
                progress("clips", done, len(manifest["clips"]))
            truth = read_truth(data / f"{name}.npz")
            config = replace(estimator.config, fov_deg=truth.fov_deg)
            result = replace(estimator, config=config).estimate(data / f"{name}.mp4")
            if not truth.people and result.world is not None:
                tally = tallies[about["camera"], system.name, CAMERA, name]
                tally.add(compared_cameras(as_tensors(result.world.R_world_cam), truth), ("camera_rotation_deg",))
            pairs = matched_people([each["joints_px"].numpy() for each in truth.people], result.people)
            for number, person in enumerate(truth.people):
                tally = tallies[f"{about['camera']} camera", system.name, SMPL24, f"{name} person {number + 1}"]
                tally.found.append(found_frames(pairs[number], len(truth.R_world_cam)))
                if (motion := pairs[number]) is not None and motion.R_world_cam is not None:
                    clip = compared_with_truth(motion, person, truth)
                    tally.add(clip, wanted_of(clip))
    rates = (float(manifest["fps"]),)
    checksum = assets.sha256(data / CLIP_LIST)
    notes = (f"Clips of {manifest['subjects']} subjects.", *NOTES)
    about = network.about, estimator.body.origin, all_scores(tallies)
    return Report(OPEN_WORLD, BOXES, checksum, rates, *about, notes)


def read_truth(path: Path) -> ClipTruth:
    """The truth about a clip; raises FileNotFoundError or ValueError, with what to do."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there: run `vibe prepare open-world -o {path.parent}` again")
    arrays = read_npz(path)
    try:
        fov_deg = fov_from_focal(float(arrays["K_px"][0, 0]), float(np.hypot(*arrays["size_px"])))
        R_world_cam, t_world_cam = (torch.from_numpy(arrays[f"{each}_world_cam"]).double() for each in "Rt")
        people = tuple(
            {
                name.partition("/")[2]: torch.from_numpy(array)
                for name, array in arrays.items()
                if name.startswith(f"{number}/")
            }
            for number in range(1, int(arrays["people"]) + 1)
        )
        return ClipTruth(float(arrays["fps"]), fov_deg, R_world_cam, t_world_cam, people)
    except (KeyError, ValueError, IndexError, TypeError) as error:
        raise ValueError(f"{path} is no truth about a clip ({error}): delete it and prepare the clips again") from error


def matched_people(truth_px: Sequence[Float[ndarray, "time 24 2"]], found: Sequence[Motion]) -> list[Motion | None]:
    """Who was found of each true person: the motion that is close to them in most frames, or None.

    Nobody is taken for two.
    """
    votes = np.zeros((len(truth_px), len(found)), np.int64)
    for column, motion in enumerate(found if truth_px else ()):
        off = []
        for points in truth_px:
            true = points[motion.frames]
            size = np.ptp(true[..., 1], axis=1)
            off.append(np.linalg.norm(motion.joints_px - true, axis=-1).mean(-1) / size)
        nearest = np.argmin(off, 0)
        close = np.min(off, 0) < CLOSE
        votes[:, column] = np.bincount(nearest[close], minlength=len(truth_px))
    chosen: list[Motion | None] = [None] * len(truth_px)
    while votes.any():
        person, column = divmod(int(votes.argmax()), len(found))
        chosen[person] = found[column]
        votes[person], votes[:, column] = 0, 0
    return chosen


def found_frames(motion: Motion | None, frames: int) -> Tensor:
    """In which of so many frames somebody has a result."""
    found = torch.zeros(frames, dtype=torch.bool)
    if motion is not None:
        found[torch.from_numpy(motion.frames)] = True
    return found


def compared_with_truth(motion: Motion, person: Mapping[str, Tensor], truth: ClipTruth) -> Compared:
    """A person's motion beside the truth, at the frames that were found."""
    frames = torch.from_numpy(motion.frames)
    joints, feet = (person[name][frames].double() for name in ("joints_world", "feet_world"))
    camera = truth.R_world_cam[frames], truth.t_world_cam[frames]
    clip = compared_in_world(motion, joints, feet, *camera, truth.fps, person["contacts"][frames])
    here = {name: person[name][frames] for name in ("rotmat", "joints_world", "contacts")}
    angles = angle_errors_deg(motion, here["rotmat"].numpy(), person["betas"].numpy(), as_numpy(find_body(motion.body)))
    return replace(clip, angles_deg=angles, events=event_errors(motion, here, truth.fps))


def compared_cameras(R_world_cam: Float[Tensor, "time 3 3"], truth: ClipTruth) -> Compared:
    """The camera alone, of a clip of which nothing is known but its rotation."""
    frames = torch.arange(len(truth.R_world_cam))
    nowhere, stands = torch.zeros(len(frames), 4, 3), torch.zeros(len(frames), 4, dtype=torch.bool)
    pairs = (nowhere, nowhere), (nowhere, nowhere)
    turned = R_world_cam[: len(frames)], truth.R_world_cam
    world = WorldCompared(*pairs, nowhere[:, 0, 0], turned, stands, stands.float())
    return Compared(nowhere, nowhere, frames, truth.fps, [0], world=world)


def wanted_of(clip: Compared) -> tuple[str, ...]:
    """What is told of a person: RTE only where they go somewhere."""
    goes = float(path_length(clip.in_world.roots[1])) >= LEAST_PATH
    return tuple(name for name in WANTED if goes or name != "rte_percent")
