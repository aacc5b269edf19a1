"""The whole pipeline, detector included, on rendered clips of subjects that no weights are trained on: truth known.

    python benchmarks/rendered.py [--clips 80] [--subjects held-out|training|procedural] [--cache runs/rendered]
        [--table FILE]

Five subjects in turn, each time in a random shape, clothes, place and light, before a still camera of an angle of view
that nobody is told. `vibe evaluate open-benchmark` imitates the detector on the same motion; here it looks at pictures.
The fit's numbers are chosen on clips of subjects that weights are trained on, whose knees straighten (`--subjects
training`, with a cache of its own). `--subjects procedural` shows motion by rule of seeds that no training is given,
the first kinds of it as often as the others.
Videos and what the follower made of them are kept in the cache: delete it after a change to either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import motion_errors
import numpy as np
import report
import roma
import torch
import tyro
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from watcher import Watcher

from vibe.arrays import as_numpy, as_tensors
from vibe.body.keypoint_regressor import joints_and_keypoints
from vibe.body.load import load_body
from vibe.body.pose import rest_joints, rest_vertices
from vibe.body.record import Body
from vibe.cameras import default_camera
from vibe.data.motion import FPS, HELD_OUT, find_motion, read_motion_clips, subject_of
from vibe.evaluate import open_benchmark_clips
from vibe.evaluate.metrics import angle_errors_deg
from vibe.evaluate.open_benchmark_clips import read_benchmark_clips, read_listing
from vibe.evaluate.scores import COVERAGE, WHOLE, Compared, System, Tally, systems
from vibe.inference import estimate
from vibe.inference import track as following
from vibe.inference.track import FIELDS
from vibe.inference.world import place_in_world
from vibe.models.network import Network, load_network
from vibe.motion import Motion
from vibe.parallel import one_thread
from vibe.records import Camera, Clip, Lens, SmplParams, Track
from vibe.synthetic.background import BackgroundGround
from vibe.synthetic.clips import render_clip, truth
from vibe.synthetic.procedural_motion import KINDS as KINDS_BY_RULE
from vibe.synthetic.procedural_motion import make_motion
from vibe.video.read import open_video
from vibe.world.camera_motion import standing_camera

FRAMES = 75
"""Of a clip; runs of 31 to 42 frames are taken whole."""
PICTURES = ((480, 640), (640, 480))
PROCEDURAL_SEED = 10**9 + 7
"""From here on; a training's seeds times their stride are less."""
OTHER_BODIES = 1000
"""Added to the seeds of clips that weights are chosen on, so that none of the held-out bodies is among theirs."""
MEASURES = (
    "of them found %",
    "PA-MPJPE mm",
    "MPJPE mm",
    "acceleration error mm/frame^2",
    *motion_errors.HEAD,
    *motion_errors.ANGLE_HEAD,
    "shape mm",
)
"""Columns of the table; dashes where nobody is found from the first frame to the last."""
WORLD = "world"
"""What the name of the last system ends with where feet that stand are put on a floor."""
FOV_DEG = (40.0, 75.0)
"""Across the diagonal; uniform."""


@dataclass(frozen=True)
class Kind:
    """Where a camera stands; ranges are uniform."""

    pitch_deg: tuple[float, float]
    """How far it looks down."""
    roll_deg: tuple[float, float]
    """Either way."""
    distance: tuple[float, float]
    """Metres from the middle of the motion; more where the person would leave the picture."""


KINDS = {
    "level": Kind((-3, 12), (0, 4), (2.2, 5.0)),
    "from above": Kind((20, 30), (0, 4), (2.2, 5.0)),
    "rolled": Kind((-3, 12), (10, 25), (2.2, 5.0)),
    "far": Kind((-3, 20), (0, 4), (6.0, 9.0)),
}


@dataclass(frozen=True)
class Plan:
    """What one clip shows."""

    name: str
    """Of the motion's clip."""
    poses: NDArray[np.floating]
    trans: NDArray[np.floating]
    kind: str
    seed: int


@dataclass(frozen=True)
class Take:
    """One clip: the truth, and what the follower made of its pictures."""

    plan: Plan
    motion: Motion
    """The truth, in the camera's frame."""
    camera: Camera
    """The true one."""
    rotmat: Float[Tensor, "time 24 3 3"]
    clip: Clip
    tracks: tuple[Track, ...]
    detected_px: NDArray[np.floating]
    """[time, 17, 3]: what the keypoint model said of the person, before anything is cleaned; zero where unseen."""
    landmarks: NDArray[np.floating]
    """[time, 33, 8]: likewise, as `vibe.records.Track` has it."""


@dataclass(frozen=True)
class Options:
    clips: int = 80
    subjects: Literal["held-out", "training", "procedural"] = "held-out"
    weights: str | None = None
    cache: Path = Path("runs/rendered")
    table: Path | None = None


def plans(count: int, subjects: str = "held-out") -> list[Plan]:
    """Windows of the held-out clips, of training's, or by rule: every subject or kind as often, spread over theirs."""
    listing = read_listing()
    if subjects == "procedural":
        clips = procedural_clips(count)
    elif subjects == "training":
        clips = training_clips()
    else:
        clips = read_benchmark_clips(find_motion(listing.motion), listing)
    windows: dict[str, list[tuple[str, NDArray, NDArray]]] = {}
    for name, (poses, trans) in clips.items():
        parts = max(len(poses) // FRAMES, 1)
        spare = max(len(poses) - parts * FRAMES, 0) // 2
        for start in range(spare, spare + parts * FRAMES, FRAMES):
            part = slice(start, start + FRAMES)
            windows.setdefault(subject_of(name), []).append((name, poses[part], trans[part]))
    rounds, kinds = -(-count // len(windows)), list(KINDS)
    shift = int(subjects != "held-out")
    chosen = [
        mine[turn * len(mine) // rounds] + (kinds[(turn + shift * place) % len(kinds)],)
        for turn in range(rounds)
        for place, mine in enumerate(windows.values())
    ]
    return [Plan(*each, seed + OTHER_BODIES * shift) for seed, each in enumerate(chosen[:count])]


def training_clips() -> dict[str, tuple[NDArray, NDArray]]:
    """Poses and places of the clips, of a window or more, of subjects that weights are trained on."""
    poses, trans, offsets, names = read_motion_clips(find_motion("open2_30fps.npz"))
    spans = zip(names, offsets[:-1], offsets[1:], strict=True)
    return {
        name: (poses[start:stop], trans[start:stop])
        for name, start, stop in spans
        if stop - start >= FRAMES and subject_of(name) not in HELD_OUT
    }


def procedural_clips(count: int) -> dict[str, tuple[NDArray, NDArray]]:
    """So many clips by rule, or more, of a window each; kinds in turn."""
    made = {}
    for turn in range(-(-count // len(KINDS_BY_RULE))):
        for kind in KINDS_BY_RULE:
            clip = make_motion(kind, PROCEDURAL_SEED + turn, FRAMES / FPS)
            poses = roma.rotmat_to_rotvec(torch.from_numpy(clip.rotmat)).flatten(1).numpy()
            made[f"{kind}_{turn}"] = poses, clip.pelvis
    return made


def take(plan: Plan, body: Body, cache: Path) -> Take:
    """One clip, rendered and followed unless the cache has it."""
    random = np.random.RandomState(plan.seed)
    betas = torch.from_numpy(random.standard_normal(10)).float()
    rotmat = roma.rotvec_to_rotmat(torch.from_numpy(plan.poses.astype(np.float32)).unflatten(-1, (24, 3)))
    trans = torch.from_numpy(plan.trans.astype(np.float32))
    joints, keypoints = joints_and_keypoints(body, rotmat, betas)
    points = torch.cat([joints, keypoints], 1) - joints[:, :1] + trans[:, None]
    still = stand(points.numpy(), KINDS[plan.kind], random)
    R_cam_world = torch.from_numpy(still.R_cam_world).float()
    rotmat = torch.cat([(R_cam_world @ rotmat[:, 0])[:, None], rotmat[:, 1:]], 1)
    trans = trans @ R_cam_world.mT + torch.from_numpy(still.t_cam_world).float()
    diagonal = float(np.hypot(*still.size_px))
    fov_deg = float(np.rad2deg(2 * np.arctan(diagonal / 2 / still.focal_px)))
    camera = default_camera(*still.size_px, fov_deg)
    times = torch.arange(len(trans), dtype=torch.float64) / FPS
    smpl = SmplParams(rotmat, betas, trans)
    motion = truth(body, smpl, camera, times)
    path = cache / f"{plan.seed:03d}.mp4"
    if not path.with_suffix(".npz").exists():
        cache.mkdir(parents=True, exist_ok=True)
        ground = BackgroundGround(still.R_cam_world[:, 1], float((-still.R_cam_world.T @ still.t_cam_world)[1]))
        render_clip(path, body, smpl, camera, times, ground, plan.seed)
        watch(path, motion.keypoints_px)
    with np.load(path.with_suffix(".npz"), allow_pickle=False) as file:
        times, detected_px, landmarks = torch.from_numpy(file["times"]), file["detected_px"], file["landmarks"]
        tracks = tuple(
            Track(*(torch.from_numpy(file[f"{what}{place}"]) for what in FIELDS))
            for place in range(int(file["people"]))
        )
    clip = Clip(path, FPS, camera.width, camera.height, times, 0)
    return Take(plan, motion, camera, rotmat, clip, tracks, detected_px, landmarks)


def stand(
    points_world: NDArray[np.floating], kind: Kind, random: np.random.RandomState
) -> open_benchmark_clips.StillCamera:
    """A camera of a kind before somebody whose points [time, point, 3] move so in a y-up world."""
    middle = (points_world.min((0, 1)) + points_world.max((0, 1))) / 2
    size_px = PICTURES[random.randint(len(PICTURES))]
    focal_px = float(np.hypot(*size_px)) / 2 / np.tan(np.radians(random.uniform(*FOV_DEG)) / 2)
    yaw, pitch = random.uniform(-np.pi, np.pi), np.radians(random.uniform(*kind.pitch_deg))
    roll = np.radians(random.uniform(*kind.roll_deg)) * random.choice([-1, 1])
    back = np.array([np.cos(pitch) * np.sin(yaw), np.sin(pitch), np.cos(pitch) * np.cos(yaw)])
    distance = random.uniform(*kind.distance)
    while True:
        R_cam_world, place = open_benchmark_clips.looking(-back, roll), middle + distance * back
        camera = open_benchmark_clips.StillCamera(R_cam_world, -R_cam_world @ place, float(focal_px), size_px)
        if open_benchmark_clips.sees_all(camera, points_world):
            return camera
        distance *= 1.06


def watch(path: Path, keypoints_px: NDArray[np.floating]) -> None:
    """Follow everyone in a video and write what was seen beside it."""
    follower = Watcher()
    with open_video(path) as video:
        found = following.track_frames(video, follower)
        clip, tracks = found.clip, found.tracks
    arrays = {"times": clip.timestamps.numpy(), "people": np.array(len(tracks))}
    for place, track in enumerate(tracks):
        arrays |= {f"{what}{place}": getattr(track, what).numpy() for what in FIELDS}
    detected_px, landmarks = np.zeros((len(keypoints_px), 17, 3)), np.zeros((len(keypoints_px), 33, 8))
    for frame, found in follower.nearest(dict(enumerate(keypoints_px[: len(follower.seen)]))).items():
        detected_px[frame], landmarks[frame] = found.keypoints_px, found.whole
    np.savez(path.with_suffix(".npz"), allow_pickle=False, detected_px=detected_px, landmarks=landmarks, **arrays)


def person(one: Take) -> Track | None:
    """The track of the person whose truth is known; None if there is none."""

    def off(track: Track) -> float:
        true = as_tensors(one.motion.keypoints_px)[track.frames, :, :2]
        return float((track.keypoints_px[..., :2] - true).norm(dim=-1).mean()) - len(track.frames)

    return min(one.tracks, key=off, default=None)


def estimates(one: Take, network: Network, body: Body, after: Sequence[System]) -> dict[str, Motion]:
    """The motion found by each system, with the product's angle of view; none where nobody was."""
    if (track := person(one)) is None:
        return {}
    camera, how = default_camera(one.clip.width, one.clip.height), [system.refinement for system in after]
    motions = estimate.estimate_track(track, one.clip, camera, network, body, how)
    found = {system.name: motion for system, motion in zip(after, motions, strict=True)}
    clip, lens, still = as_numpy(one.clip), Lens(as_numpy(camera)), standing_camera(len(one.clip.timestamps))
    [standing], *_ = place_in_world(motions[-1:], clip, lens, body, still, how[-1])
    return found | {f"{after[-1].name} + {WORLD}": standing}


def count(tally: Tally, one: Take, motion: Motion | None) -> None:
    """Add what was found of one clip, and in which of its frames."""
    found = torch.zeros(len(one.motion.frames), dtype=torch.bool)
    if motion is None:
        tally.found.append(found)
        return
    found[motion.frames] = True
    places, frames = as_tensors(motion.joints_cam), as_tensors(motion.frames)
    tally.found.append(found)
    tally.add(Compared(places, as_tensors(one.motion.joints_cam)[frames], frames, FPS, [0]))


def shape_error_mm(motion: Motion, truth: Motion, body: Body) -> float:
    """Mean distance of the two people's vertices at rest, about the pelvis."""
    rest = []
    for each in (motion, truth):
        betas = as_tensors(each.smpl).betas.float()
        rest.append(rest_vertices(body, betas) - rest_joints(body, betas)[:1])
    return 1000 * float((rest[0] - rest[1]).norm(dim=-1).mean())


def compared() -> tuple[System, ...]:
    """Those of the product, and its fit to COCO's keypoints alone, as for a pose model of somebody else's."""
    alone, whole = systems()
    assert whole.refinement.fitting is not None
    fewer = replace(whole.refinement, fitting=replace(whole.refinement.fitting, points="detected17"))
    return alone, System("network + fit to 17 keypoints + light", fewer), whole


def main(options: Options) -> None:
    network, body, after = load_network(options.weights), load_body(), compared()
    numbers = as_numpy(body)
    tallies: dict[tuple[str, str], Tally] = {}
    others: dict[tuple[str, str], list[dict[str, Tensor]]] = {}
    angles: dict[tuple[str, str], list[dict[str, Tensor]]] = {}
    shapes: dict[tuple[str, str], list[float]] = {}
    with one_thread():
        for one in (take(plan, body, options.cache) for plan in plans(options.clips, options.subjects)):
            found = estimates(one, network, body, after)
            for name in (*(system.name for system in after), f"{after[-1].name} + {WORLD}"):
                for part in (WHOLE, one.plan.kind, subject_of(one.plan.name)):
                    row = part, name
                    count(tallies.setdefault(row, Tally()), one, motion := found.get(name))
                    if motion is not None and len(motion.frames) == len(one.motion.frames):
                        joints = [as_tensors(each.joints_cam) for each in (motion, one.motion)]
                        others.setdefault(row, []).append(motion_errors.motion_errors(*joints))
                        angles.setdefault(row, []).append(
                            angle_errors_deg(motion, one.motion.smpl.rotmat, one.motion.smpl.betas, numbers)
                        )
                        shapes.setdefault(row, []).append(shape_error_mm(motion, one.motion, body))
    rows = []
    parts = [WHOLE, *KINDS]
    for (part, system), tally in sorted(tallies.items(), key=lambda row: (parts + [row[0][0]]).index(row[0][0])):
        score = tally.score(part, "", system, "")
        if (part, system) not in others:
            rows.append([part, system, score.frames, score.errors[COVERAGE], *["-"] * (len(MEASURES) - 1)])
            continue
        shown = [score.errors[COVERAGE], score.errors["pa_mpjpe_mm"], score.errors["mpjpe_mm"]]
        shown += [f"{score.errors['acceleration_error_mm']:.2f}", *motion_errors.table_cells(others[part, system])]
        shown += [*motion_errors.angle_cells(angles[part, system]), float(np.mean(shapes[part, system]))]
        rows.append([part, system, score.frames, *shown])
    report.table(
        f"The whole pipeline on rendered clips of {options.subjects} subjects",
        ["clips", "system", "frames", *MEASURES],
        rows,
        f"{options.clips} clips; 24 joints about the pelvis; weights {network.about.name} {network.about.sha256[:12]}",
        options.table,
    )


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
