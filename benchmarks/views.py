"""Several cameras before the same rendered people, whose truth is known: cameras, times and motion found together.

    python benchmarks/views.py [--scenes 6] [--subjects held-out|training] [--cache runs/views] [--table FILE]

Each scene is five seconds of a motion before four still cameras in random places, of angles of view that nobody is
told, at rates of 24 to 60 frames a second; each begins up to three seconds later than the first. Settings are chosen on
subjects that weights are trained on (`--subjects training`). Videos and the stages of each are kept in the cache:
delete it after a change to tracking.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import report
import roma
import torch
import tyro
from jaxtyping import Float
from numpy.typing import NDArray
from rendered import KINDS, stand, training_clips
from torch import Tensor

from vibe.arrays import as_tensors
from vibe.body.keypoint_regressor import joints_and_keypoints
from vibe.body.pose import joints
from vibe.body.record import Body
from vibe.cameras import default_camera
from vibe.data.motion import FPS, find_motion, subject_of
from vibe.evaluate.metrics import mpjpe_mm, pa_mpjpe_mm
from vibe.evaluate.open_benchmark_clips import StillCamera, read_benchmark_clips, read_listing
from vibe.inference.estimate import load_estimator
from vibe.motion import Result
from vibe.parallel import one_thread
from vibe.records import SmplParams
from vibe.rotations import interpolate
from vibe.synthetic.background import BackgroundGround
from vibe.synthetic.clips import render_clip

SECONDS, LATEST = 5.0, 3.0
"""Of a clip; by how much later than the first one a view may begin."""
VIEWS = 4
RATES = (24.0, 25.0, 30.0, 50.0, 60.0)
APART_DEG = 25.0
"""Least angle between the lines of sight of two cameras."""


@dataclass(frozen=True)
class Filmed:
    """One view of a scene."""

    path: Path
    camera: StillCamera
    start: float
    """Seconds of the motion at its first frame."""
    fps: float


@dataclass(frozen=True)
class Scene:
    """One motion and its views."""

    name: str
    smpl: SmplParams
    """In a y-up world, at 30 frames a second."""
    views: tuple[Filmed, ...]

    def seen(self, view: Filmed, times: Float[Tensor, "time"]) -> SmplParams:
        """The truth in the frame of a view, at seconds of its clip."""
        place = ((times + view.start) * FPS).clamp(0, len(self.smpl.pelvis) - 1.001)
        low, share = place.floor().long(), (place - place.floor()).float()
        rotmat = interpolate(self.smpl.rotmat[low], self.smpl.rotmat[low + 1], share[:, None])
        pelvis = torch.lerp(self.smpl.pelvis[low], self.smpl.pelvis[low + 1], share[:, None])
        R = torch.from_numpy(view.camera.R_cam_world).float()
        rotmat = torch.cat([(R @ rotmat[:, 0])[:, None], rotmat[:, 1:]], 1)
        return SmplParams(rotmat, self.smpl.betas, pelvis @ R.mT + torch.from_numpy(view.camera.t_cam_world).float())


@dataclass(frozen=True)
class Options:
    scenes: int = 6
    subjects: Literal["held-out", "training"] = "held-out"
    cache: Path = Path("runs/views")
    table: Path | None = None


def make_scenes(count: int, subjects: str, cache: Path, body: Body) -> list[Scene]:
    """So many scenes of clips that are long enough, subjects in turn; videos that the cache lacks are rendered."""
    listing = read_listing()
    clips = training_clips() if subjects == "training" else read_benchmark_clips(find_motion(listing.motion), listing)
    frames = round((SECONDS + LATEST) * FPS) + 2
    by_subject: dict[str, list[str]] = {}
    for name, (poses, _) in clips.items():
        if len(poses) >= frames:
            by_subject.setdefault(subject_of(name), []).append(name)
    names = [mine[turn % len(mine)] for turn in range(count) for mine in by_subject.values()][:count]
    scenes = []
    for seed, name in enumerate(names):
        random = np.random.RandomState(1000 + seed)
        first = random.randint(len(clips[name][0]) - frames + 1)
        poses, trans = (part[first : first + frames] for part in clips[name])
        scenes.append(_scene(name, poses, trans, cache / f"{subjects}_{seed:02d}", random, body))
    return scenes


def _scene(
    name: str, poses: NDArray[np.floating], trans: NDArray[np.floating], folder: Path, random: np.random.RandomState,
    body: Body,
) -> Scene:  # fmt: skip
    betas = torch.from_numpy(random.standard_normal(10)).float()
    rotmat = roma.rotvec_to_rotmat(torch.from_numpy(poses.astype(np.float32)).unflatten(-1, (24, 3)))
    smpl = SmplParams(rotmat, betas, torch.from_numpy(trans.astype(np.float32)))
    places, keypoints = joints_and_keypoints(body, rotmat, betas)
    points = (torch.cat([places, keypoints], 1) - places[:, :1] + smpl.pelvis[:, None]).numpy()
    views: list[Filmed] = []
    while len(views) < VIEWS:
        camera = stand(points, KINDS["level"], random)
        sights = [each.camera.R_cam_world[2] @ camera.R_cam_world[2] for each in views]
        if max(sights, default=-1.0) < np.cos(np.radians(APART_DEG)):
            start = random.uniform(0, LATEST) if views else 0.0
            views.append(Filmed(folder / f"view{len(views) + 1}.mp4", camera, start, float(random.choice(RATES))))
    scene, look = Scene(name, smpl, tuple(views)), random.randint(1 << 20)
    for number, view in enumerate(views):
        if not view.path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            times = torch.arange(round(SECONDS * view.fps), dtype=torch.float64) / view.fps
            R, t = view.camera.R_cam_world, view.camera.t_cam_world
            ground = BackgroundGround(R[:, 1], float((-R.T @ t)[1]))
            diagonal = float(np.hypot(*view.camera.size_px))
            fov_deg = float(np.rad2deg(2 * np.arctan(diagonal / 2 / view.camera.focal_px)))
            seen = as_tensors(scene.seen(view, times))
            camera = default_camera(*view.camera.size_px, fov_deg)
            partial = view.path.with_name("part.mp4")
            render_clip(partial, body, seen, camera, times, ground, 10 * look + number)
            partial.rename(view.path)
    return scene


def found_errors(scene: Scene, result: Result, body: Body) -> dict[str, float]:
    """Errors of the person, in mm, and of the cameras that were found."""
    motion = as_tensors(max(result.people, key=len))
    true = scene.seen(scene.views[0], motion.times)
    places = joints(body, true.rotmat, true.betas)
    places = places - places[:, :1] + true.pelvis[:, None]
    one, other = (each - each[:, :1] for each in (motion.joints_cam, places))
    errors = {
        "PA-MPJPE mm": float(pa_mpjpe_mm(one, other).mean()),
        "MPJPE mm": float(mpjpe_mm(one, other).mean()),
    }
    first, clocks = scene.views[0], []
    turned, baseline = [], []
    found = {each.clip.path.name: each for each in result.views[1:]}
    for truth in scene.views[1:]:
        if (view := found.get(truth.path.name)) is None:
            continue
        R = truth.camera.R_cam_world @ first.camera.R_cam_world.T
        t = truth.camera.t_cam_world - R @ first.camera.t_cam_world
        turned.append(degrees((np.trace(R.T @ view.R_view_ref) - 1) / 2))
        true_place, place = -R.T @ t, -view.R_view_ref.T @ view.t_view_ref
        baseline.append(degrees(true_place @ place / np.linalg.norm(true_place) / np.linalg.norm(place)))
        clocks.append(1000 * abs(view.offset_s - (first.start - truth.start)))
    if clocks:
        means = (float(np.mean(each)) for each in (turned, baseline, clocks))
        errors |= dict(zip(("rotation deg", "baseline deg", "clock ms"), means, strict=True))
    return errors


def degrees(cosine: float) -> float:
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def main(options: Options) -> None:
    estimator = load_estimator()
    found: dict[int, list[dict[str, float]]] = {1: [], 2: [], 4: []}
    with one_thread():
        for scene in make_scenes(options.scenes, options.subjects, options.cache, estimator.body):
            stages, paths = options.cache / "stages", [view.path for view in scene.views]
            for count, errors in found.items():
                try:
                    if count == 1:
                        result = estimator.estimate(paths[0], cache=stages)
                    else:
                        result = estimator.estimate_together(paths[:count], cache=stages)
                except ValueError as error:
                    print(f"{scene.name}, {count} views: {error}")
                    continue
                errors.append(found_errors(scene, result, estimator.body))
    head = ["views", "scenes", "PA-MPJPE mm", "MPJPE mm", "rotation deg", "baseline deg", "clock ms"]
    rows = []
    for count, errors in found.items():
        mean = [float(np.mean([each[name] for each in errors if name in each] or [np.nan])) for name in head[2:]]
        rows.append([count, len(errors), *mean])
    report.table(
        f"The same people before several cameras, rendered clips of {options.subjects} subjects",
        head,
        rows,
        "24 joints about the pelvis, in the frame of the first camera; means over scenes of means over frames, or over "
        "the cameras that were found; nothing is told of the cameras",
        options.table,
    )


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
