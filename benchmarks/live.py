"""What being live costs: the error of `vibe live` beside that of the offline estimator, for several delays.

    python benchmarks/live.py [--delays 0 1 2 4] [--every 24] [--clips 8] [--table FILE]

The same keypoints are told to both: those of the open benchmark with the detector's noise (every n-th view), those that
the detector found in rendered clips (`benchmarks/rendered.py`, before anything is cleaned), and, where it is here, what
it finds in the balancing clip (docs/live.md tells what that one showed). The delay is that of the answer in frames;
computing comes on top of it. Frames that are left out for speed are not part of this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import rendered
import report
import torch
import tyro
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from vibe import cameras
from vibe.arrays import as_tensors
from vibe.body.keypoint_regressor import joints_and_keypoints
from vibe.evaluate import end_to_end, open_benchmark
from vibe.evaluate.scores import Compared, Tally, systems
from vibe.inference.estimate import Estimator, estimate_track, load_estimator
from vibe.live.person import LiveConfig, LivePose
from vibe.live.pose import LiveEstimator, LiveTracker, TrackedFrame
from vibe.motion import Motion
from vibe.parallel import one_thread
from vibe.records import Clip, Track
from vibe.skeletons import LIMBS, SMPL, index
from vibe.tracking.pose_model import Landmarks
from vibe.tracking.tracker import TrackedPerson, Tracker
from vibe.video.read import open_video

BALANCING = Path("../shared/data/videos/balancing")
LOOK = np.full(128, 128**-0.5)
DELAY = 1
"""The default."""
UNFILTERED = LiveConfig(turns=None, depths=None)
Joints = Callable[[Float[Tensor, "time 24 3 3"], Float[Tensor, "time 10"], Float[Tensor, "time 24 3"]], Tensor]
"""The joints that are compared, of rotations, shapes and SMPL's joints."""


@dataclass(frozen=True)
class Options:
    delays: tuple[int, ...] = (0, 1, 2, 4)
    every: int = 24
    """View of the open benchmark that is taken."""
    clips: int = 8
    """Rendered ones."""
    cache: Path = Path("runs/rendered")
    data: Path = Path("runs/open_benchmark")
    table: Path | None = None


@dataclass(frozen=True)
class Scene:
    """One person as the detector saw them, frame by frame, what the offline estimator makes of it, and the truth."""

    data: str
    sightings: tuple[TrackedFrame, ...]
    size: tuple[int, int]
    truth: Float[Tensor, "time joint 3"]
    track: Track
    clip: Clip
    joints: Joints
    centre: tuple[int, ...]
    fps: float


def sightings(keypoints_px: NDArray[np.floating], fps: float) -> tuple[TrackedFrame, ...]:
    """One person's keypoints as the follower would tell them; all zeros where they were not seen."""
    found = []
    for frame, points in enumerate(keypoints_px.astype(np.float64)):
        low, high = points[:, :2].min(0), points[:, :2].max(0)
        region = np.array([*(low + high) / 2, 1.25 * (high - low).max(), 0.0])
        here = bool(points[:, 2].any())
        seen = (TrackedPerson(1, Landmarks(points, 1.0, region, region)),) if here else ()
        found.append(TrackedFrame(frame, frame / fps, seen, {1: LOOK} if here else {}))
    return tuple(found)


def open_scenes(options: Options, estimator: Estimator) -> Iterator[Scene]:
    manifest, arrays = open_benchmark.read_folder(options.data)
    shots = list(open_benchmark.shots(arrays, manifest["clips"], manifest["views"]))[:: options.every]
    for shot in shots:
        truth = joints_and_keypoints(estimator.body, shot.smpl.rotmat, shot.smpl.betas, "common14")[0]
        track, clip = open_benchmark.benchmark_track(shot.keypoints_px["noisy"])
        told = sightings(shot.keypoints_px["noisy"], open_benchmark.FPS)
        clip = replace(clip, width=shot.width, height=shot.height)
        yield Scene("open benchmark", told, (shot.width, shot.height), truth, track, clip, own_joints, (0,), 30.0)


def rendered_scenes(options: Options, estimator: Estimator) -> Iterator[Scene]:
    for plan in rendered.plans(80)[:: max(1, 80 // options.clips)]:
        one = rendered.take(plan, estimator.body, options.cache)
        if (track := rendered.person(one)) is None:
            continue
        told, size = sightings(one.detected_px, rendered.FPS), (one.clip.width, one.clip.height)
        truth = as_tensors(one.motion.joints_cam)
        yield Scene("rendered clips", told, size, truth, track, one.clip, own_joints, (0,), rendered.FPS)


def balancing_scenes(estimator: Estimator) -> Iterator[Scene]:
    for view in end_to_end.BALANCING_VIEWS if BALANCING.is_dir() else ():
        truth = end_to_end.truth_of(BALANCING, view)
        clip, track = end_to_end.follow_tallest(BALANCING / f"{view}.mp4", Tracker())
        watch = LiveTracker(estimator.detector, estimator.pose_model, people=1)
        with open_video(BALANCING / f"{view}.mp4") as video:
            told = tuple(watch.step(frame.time, frame.rgb) for frame in video)
        size = clip.width, clip.height
        yield Scene(
            "balancing", told, size, truth, track, clip, limbs, tuple(end_to_end.LIMB_HIPS), end_to_end.BALANCING_FPS
        )


def own_joints(rotmat: Tensor, betas: Tensor, joints: Tensor) -> Tensor:
    return joints


def limbs(rotmat: Tensor, betas: Tensor, joints: Tensor) -> Tensor:
    return joints[:, index(SMPL, LIMBS)]


def live(scene: Scene, estimator: Estimator, delay: int, how: LiveConfig) -> Compared | None:
    """The answers beside the truth, frame by frame; None if there was none."""
    live_estimator = LiveEstimator(estimator, *scene.size, delay, how)
    found: dict[int, LivePose] = {}
    for sighting in scene.sightings:
        live_estimator.add(sighting)
        moment = live_estimator.estimate()
        if moment and moment.people:
            found[moment.index] = max(moment.people, key=lambda pose: float(pose.box_px[3]))
    frames = torch.tensor([frame for frame in found if frame < len(scene.truth)], dtype=torch.int64)
    if not len(frames):
        return None
    rotmat, betas, joints = (
        torch.stack([getattr(found[int(frame)], name) for frame in frames]) for name in ("rotmat", "betas", "joints")
    )
    return Compared(scene.joints(rotmat, betas, joints), scene.truth[frames], frames, scene.fps, scene.centre)


def offline(scene: Scene, estimator: Estimator) -> dict[str, Motion]:
    camera = cameras.default_camera(*scene.size)
    after, models = systems(), (estimator.network, estimator.body)
    motions = estimate_track(scene.track, scene.clip, camera, *models, [one.refinement for one in after])
    return {f"offline, {one.name}": motion for one, motion in zip(after, motions, strict=True)}


def compared(scene: Scene, estimator: Estimator, delays: tuple[int, ...]) -> Iterator[tuple[str, Compared]]:
    """Every system's answers on the same frames: those that the slowest start leaves to all."""
    answers: dict[str, Compared] = {}
    for name, motion in offline(scene, estimator).items():
        smpl, frames = as_tensors(motion.smpl_shaped), as_tensors(motion.frames)
        places = scene.joints(smpl.rotmat, smpl.betas, as_tensors(motion.joints_cam))
        answers[name] = Compared(places, scene.truth[frames], frames, scene.fps, scene.centre)
    asked = [(f"live, {delay} frames back", delay, LiveConfig()) for delay in delays]
    asked.append((f"live, {DELAY} frame back, not filtered", DELAY, UNFILTERED))
    for name, delay, how in asked:
        if (one := live(scene, estimator, delay, how)) is not None:
            answers[name] = one
    shared = set.intersection(*(set(one.frames.tolist()) for one in answers.values()))
    for name, one in answers.items():
        kept = torch.tensor([frame in shared for frame in one.frames.tolist()])
        yield name, replace(one, predicted=one.predicted[kept], truth=one.truth[kept], frames=one.frames[kept])


def main(options: Options) -> None:
    estimator = load_estimator()
    tallies: dict[tuple[str, str], Tally] = {}
    places: dict[tuple[str, str], list[Tensor]] = {}
    with one_thread():
        for scenes in (
            open_scenes(options, estimator),
            rendered_scenes(options, estimator),
            balancing_scenes(estimator),
        ):
            for scene in scenes:
                for name, one in compared(scene, estimator, options.delays):
                    tallies.setdefault((scene.data, name), Tally()).add(one)
                    middle = (one.predicted - one.truth)[:, list(one.centre)].mean(1)[:, :2].norm(dim=-1)
                    places.setdefault((scene.data, name), []).append(1000 * middle)
    rows = []
    for (data, name), tally in tallies.items():
        errors = tally.score("", "", name, "").errors
        across = float(torch.cat(places[data, name]).mean()) if data == "rendered clips" else "-"
        acceleration = f"{errors['acceleration_error_m_s2']:.2f}"
        rows.append([data, name, tally.frames, errors["pa_mpjpe_mm"], errors["mpjpe_mm"], acceleration, across])
    report.table(
        "Live beside offline, on the same keypoints and frames",
        [
            "data",
            "system",
            "frames",
            "PA-MPJPE mm",
            "MPJPE mm",
            "acceleration error m/s^2",
            "pelvis across the view mm",
        ],
        rows,
        f"Weights {estimator.network.about.name} {estimator.network.about.sha256[:12]}; 24 joints about the pelvis, of "
        "balancing 12 limb joints about the hips",
        options.table,
    )


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
