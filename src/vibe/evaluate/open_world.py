"""The protocol `open-world`: the whole product on rendered videos, against the truth about people, floor and camera."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import degrees
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from vibe import assets
from vibe.arrays import as_numpy, as_tensors
from vibe.assets.archives import read_npz
from vibe.body.load import find_body
from vibe.evaluate.metrics import ANGLES, angle_errors_deg, event_errors
from vibe.evaluate.open_world_clips import MANIFEST, read_clip_list
from vibe.evaluate.scores import WORLD, Compared, Report, System, Tallies, Tally, all_scores
from vibe.evaluate.world_end_to_end import SMPL24, compared_in_world, product
from vibe.evaluate.world_metrics import WorldCompared, path_length
from vibe.models.network import Network
from vibe.motion import Motion
from vibe.parallel import one_thread
from vibe.records import Progress

PROTOCOL = "open-world"
BOXES = "detected"
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
    checksum = assets.sha256(data / MANIFEST)
    subjects = f"Clips of {manifest['subjects']} subjects."
    return Report(
        PROTOCOL, BOXES, checksum, rates, network.about, estimator.body.origin, all_scores(tallies), (subjects, *NOTES)
    )


def read_truth(path: Path) -> ClipTruth:
    """The truth about a clip; raises FileNotFoundError or ValueError, with what to do."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there: run `vibe prepare open-world -o {path.parent}` again")
    arrays = read_npz(path)
    try:
        width, height = arrays["size_px"].tolist()
        fov_deg = degrees(2 * np.arctan(np.hypot(width, height) / 2 / float(arrays["K_px"][0, 0])))
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
