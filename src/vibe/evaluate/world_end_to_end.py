"""The whole product over the pictures behind a store, compared with the truth in the world.

What is compared is the result of `vibe estimate` on each sequence, told its lens and nothing else.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from torch import Tensor

from vibe import assets
from vibe.arrays import as_tensors
from vibe.data.store import MANIFEST, SequenceRows, Store, open_store
from vibe.evaluate.end_to_end import BOXES, matched
from vibe.evaluate.protocols import Protocol
from vibe.evaluate.scores import Compared, Report, System, Tallies, Tally, all_scores
from vibe.evaluate.with_true_boxes import sequences_of
from vibe.evaluate.world_metrics import WorldCompared
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
    focal_px = (sequence.K_px[0, 0] + sequence.K_px[1, 1]) / 2
    return math.degrees(2 * math.atan(math.hypot(*sequence.K_px[:2, 2]) / focal_px))


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
