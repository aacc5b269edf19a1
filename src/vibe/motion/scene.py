"""Motions on a stage: the axes, the place, the frame rate and the stretch of time that other programs want.

All options of an export are applied here; a format only writes down what stands on the stage.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import roma
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from vibe.body import Body, find_body, pose_joints, rest_joints
from vibe.motion import Motion, Result
from vibe.motion.gravity import lowest_foot, upright
from vibe.motion.resample import resample_motion
from vibe.records import Camera, Weights
from vibe.skeletons import SMPL_PARENTS

AXES: dict[str, tuple[float, float, float]] = {
    "x": (1.0, 0.0, 0.0), "y": (0.0, 1.0, 0.0), "z": (0.0, 0.0, 1.0),
    "-x": (-1.0, 0.0, 0.0), "-y": (0.0, -1.0, 0.0), "-z": (0.0, 0.0, -1.0),
}  # fmt: skip
COLOURS = (
    (0.38, 0.65, 0.93), (0.96, 0.63, 0.24), (0.24, 0.70, 0.54), (0.86, 0.53, 0.74), (0.95, 0.86, 0.42),
    (0.88, 0.43, 0.29), (0.30, 0.48, 0.80), (0.72, 0.72, 0.74),
)  # fmt: skip
"""One for each person in turn, sRGB; told apart also by colour-blind eyes."""
R_STAGE_CAM = {
    "y": ((1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, -1.0)),
    "z": ((1.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.0, -1.0, 0.0)),
}
"""From the camera's frame to axes of which that one points up; the camera looks along -z, or along y."""
R_STAGE_REST = {
    "y": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    "z": ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0), (0.0, 1.0, 0.0)),
}
"""From the body at rest to those axes, where it looks along z, or along -y: towards the camera."""
FASTEST = 1000.0
"""Frames a second."""
MOST_FRAMES = 1 << 19
"""Of all people together: about 5 hours of one at 30 frames a second, which take 5 GB of memory."""


@dataclass(frozen=True)
class Staging:
    """What a user may ask of an export."""

    up: Literal["y", "z"] = "y"
    facing: str | None = None
    """The axis of `AXES` along which the first person looks at their first frame; None: turned as in the video."""
    root: Literal["origin", "in-place", "camera"] = "origin"
    """origin: the first person begins above it and the lowest foot is at height 0. in-place: everybody stays above it,
    the lowest of their own feet at height 0. camera: the camera is the origin."""
    ground: bool = False
    """Whether the camera's tilt is taken out and the lowest foot put at height 0."""
    fps: float | None = None
    """None: the video's mean."""
    start: float | None = None
    """Seconds in the video; None: its beginning."""
    end: float | None = None

    @property
    def bounds(self) -> tuple[float, float]:
        """Start and end in seconds, infinite where the video's are meant."""
        return -math.inf if self.start is None else self.start, math.inf if self.end is None else self.end


@dataclass(frozen=True)
class Character:
    """One person on the stage, at even moments without a gap."""

    number: int
    """As in motion.npz, from 1."""
    first: int
    """Frames of the stage before the person's first."""
    betas: Float[Tensor, "10"]
    rest: Float[Tensor, "24 3"]
    """Joints of this shape at rest, in the body's own axes (y up, looking along z)."""
    rotmat: Float[Tensor, "time 24 3 3"]
    """The pelvis's from the body's axes to the stage's, the others relative to their parents."""
    joints: Float[Tensor, "time 24 3"]
    """In the stage's axes, metres; the first is the pelvis, which stands for the person's place."""
    confidence: Float[Tensor, "time"]
    """Mean keypoint confidence; 0 where the person was not seen and the motion is filled in."""

    @property
    def steps(self) -> Float[Tensor, "24 3"]:
        """From the parent to each joint at rest, the pelvis's from the origin; metres, in the body's own axes."""
        return torch.cat([self.rest[:1], self.rest[1:] - self.rest[list(SMPL_PARENTS[1:])]])


@dataclass(frozen=True)
class Scene:
    """What an export writes down; axes are right-handed, lengths in metres."""

    up: Literal["y", "z"]
    fps: float
    start: float
    """Seconds in the video of the stage's first frame."""
    actors: tuple[Character, ...]
    """At least one."""
    camera: Camera
    R_stage_cam: Float[Tensor, "3 3"]
    t_stage_cam: Float[Tensor, "3"] | None
    """Where the camera is; None if people are held in place, which leaves it nowhere."""
    body: Weights
    video: str
    notes: tuple[str, ...]
    """One sentence for each thing that was changed or could not be known."""

    @property
    def R_stage_rest(self) -> Float[Tensor, "3 3"]:
        """Stands the body at rest upright on the stage."""
        return torch.tensor(R_STAGE_REST[self.up])


def turned_at_rest(stage: Scene, actor: Character) -> Float[Tensor, "time 24 3 3"]:
    """The rotations of somebody whose T-pose already stands upright in the stage's axes."""
    R = stage.R_stage_rest
    return torch.cat([actor.rotmat[:, :1] @ R.mT, R @ actor.rotmat[:, 1:] @ R.mT], 1)


def build_scene(result: Result, body: Body, staging: Staging, person: int | None = None) -> Scene:
    """Everybody, or one person, as the options have it; raises ValueError that says what can't be done."""
    _check(result, body, staging)
    parts, notes = [], []
    for number, motion in result.numbered(person):
        motion = _trimmed(motion, result.clip.timestamps, staging)
        if not len(motion.frames):
            notes.append(f"person {number} is not in view in the stretch of time that is written, and left out")
            continue
        parts.append((number, motion))
        if motion.betas.ndim == 2:
            notes.append(f"person {number} has a shape in every frame: their mean is written")
    if not parts:
        raise ValueError(
            f"{f'person {person} is not' if person else 'nobody is'} in view {_stretch(staging)}: the motion lies "
            f"between 0 and {float(result.clip.timestamps[-1]) if len(result.clip.timestamps) else 0:.2f} s, in which "
            f"{len(result.people)} people were found"
        )
    fps = _rate(result, staging, [motion for _, motion in parts])
    begin = min(float(result.clip.timestamps[motion.frames[0]]) for _, motion in parts)
    actors = [_actor(number, motion, result.clip.timestamps, begin, fps, body) for number, motion in parts]
    for actor in actors:
        if actor.first:
            notes.append(
                f"person {actor.number} begins {actor.first} frames ({actor.first / fps:.2f} s) after the first"
            )
    R_stage_cam, said = _axes(actors, staging)
    stood, t_stage_cam = _placed([_turned(actor, R_stage_cam) for actor in actors], staging, body)
    return Scene(
        up=staging.up,
        fps=fps,
        start=begin,
        actors=tuple(stood),
        camera=result.camera,
        R_stage_cam=R_stage_cam,
        t_stage_cam=t_stage_cam,
        body=result.body,
        video=str(result.clip.path),
        notes=(*notes, *said),
    )


def _check(result: Result, body: Body, staging: Staging) -> None:
    find_body(result.body, body)
    low, high = staging.bounds
    if not low <= high:
        raise ValueError(f"no moment lies {_stretch(staging)}: give a --start that is not after --end")
    if staging.facing is not None and staging.facing.lstrip("-") == staging.up:
        raise ValueError(f"nobody looks along {staging.facing} where {staging.up} points up: choose another axis")
    for number, motion in enumerate(result.people, start=1):
        for name in ("global_orient", "body_pose", "betas", "trans"):
            if not torch.isfinite(getattr(motion, name)).all():
                raise ValueError(f"{number}/{name} of the motion has numbers that are not finite: the file is damaged")


def _rate(result: Result, staging: Staging, motions: Sequence[Motion]) -> float:
    """Frames a second of the stage."""
    fps, times = staging.fps if staging.fps is not None else result.clip.fps, result.clip.timestamps
    if not 0 < fps <= FASTEST:
        raise ValueError(f"{fps:g} frames a second: give a rate above 0, at most {FASTEST:g}, with --fps")
    if not torch.isfinite(times).all() or not (times.diff() > 0).all():
        raise ValueError("the motion's timestamps do not increase: the file is damaged")
    frames = sum(1 + fps * float(times[motion.frames[-1]] - times[motion.frames[0]]) for motion in motions)
    if frames > MOST_FRAMES:
        raise ValueError(
            f"people are in view for {frames:.0f} frames at {fps:g} a second, {MOST_FRAMES} at most are held: take a "
            "part, by --start and --end, or one person"
        )
    return fps


def _trimmed(motion: Motion, timestamps: Float[Tensor, "frame"], staging: Staging) -> Motion:
    """The frames from --start to --end, both inclusive."""
    times = timestamps[motion.frames]
    low, high = staging.bounds
    return motion.at((times >= low - 1e-6) & (times <= high + 1e-6))


def _stretch(staging: Staging) -> str:
    """The stretch of time in words."""
    if staging.start is None and staging.end is None:
        return "in the video"
    low = f"{staging.start:g} s" if staging.start is not None else "the beginning"
    return f"from {low} to {f'{staging.end:g} s' if staging.end is not None else 'the end'}"


def _actor(
    number: int, motion: Motion, timestamps: Float[Tensor, "frame"], begin: float, fps: float, body: Body
) -> Character:
    """A person at even moments, still in the camera's axes."""
    even = resample_motion(motion, timestamps[motion.frames], begin, fps)
    with torch.no_grad():
        rest = rest_joints(body, motion.mean_betas)
        joints = pose_joints(body, even.rotmat, motion.mean_betas)[1] - rest[0] + even.pelvis[:, None]
    return Character(number, even.first, motion.mean_betas, rest, even.rotmat, joints, even.confidence)


def _axes(actors: Sequence[Character], staging: Staging) -> tuple[Float[Tensor, "3 3"], list[str]]:
    """R_stage_cam, and what is to be said about it."""
    R, up = torch.tensor(R_STAGE_CAM[staging.up]), torch.tensor(AXES[staging.up])
    said = []
    if staging.ground:
        found = upright(torch.cat([actor.joints for actor in actors]))
        if found is None:
            said.append("hardly anybody stands straight, so which way is up can't be known: the picture's up is kept")
        else:
            tilt = _turn(R @ found[0], up)
            angle_deg = math.degrees(math.acos(max(-1.0, min(1.0, float(R @ found[0] @ up)))))
            R = tilt @ R
            said.append(
                f"level is estimated from {found[1]} frames in which somebody stands straight: {angle_deg:.1f} degrees "
                "of tilt were taken out, give or take 2 to 8"
            )
    if staging.facing is not None:
        front = _front(R @ actors[0].rotmat[0, 0], up)
        R = _turn(front, torch.tensor(AXES[staging.facing]), up) @ R
    return R, said


def _front(R: Float[Tensor, "3 3"], up: Float[Tensor, "3"]) -> Float[Tensor, "3"]:
    """The horizontal direction in which a person looks whose pelvis is turned so; R maps from the body at rest.

    Of somebody who lies on the back or face it is the direction across the hips that tells it.
    """
    ahead = R[:, 2] - (R[:, 2] @ up) * up
    if float(ahead.norm()) < 0.5:
        ahead = torch.linalg.cross(R[:, 0], up)
        ahead = ahead - (ahead @ up) * up
    return torch.nn.functional.normalize(ahead, dim=0)


def _turn(
    one: Float[Tensor, "3"], two: Float[Tensor, "3"], axis: Float[Tensor, "3"] | None = None
) -> Float[Tensor, "3 3"]:
    """The rotation that takes one unit vector to the other: the smallest, or that about an axis across both."""
    across = torch.linalg.cross(one, two)
    if axis is None:
        still = float(across.norm()) < 1e-6
        axis = torch.tensor([1.0, 0.0, 0.0]) if still else torch.nn.functional.normalize(across, dim=0)
    angle = torch.atan2(across @ axis, one @ two)
    return roma.rotvec_to_rotmat(axis * angle)


def _turned(actor: Character, R_stage_cam: Float[Tensor, "3 3"]) -> Character:
    rotmat = torch.cat([R_stage_cam @ actor.rotmat[:, :1], actor.rotmat[:, 1:]], 1)
    return replace(actor, rotmat=rotmat, joints=actor.joints @ R_stage_cam.mT)


def _placed(
    actors: Sequence[Character], staging: Staging, body: Body
) -> tuple[list[Character], Float[Tensor, "3"] | None]:
    """People where they are to stand, and where that leaves the camera."""
    up = torch.tensor(AXES[staging.up])
    if staging.root == "in-place":
        return [_held(actor, body, up) for actor in actors], None
    shift = torch.zeros(3)
    if staging.root != "camera":
        pelvis = actors[0].joints[0, 0]
        shift = (pelvis @ up) * up - pelvis
    if staging.root != "camera" or staging.ground:
        shift = shift - min(lowest_foot(body, one.betas, one.rotmat, one.joints, up) for one in actors) * up
    return [replace(actor, joints=actor.joints + shift) for actor in actors], shift


def _held(actor: Character, body: Body, up: Float[Tensor, "3"]) -> Character:
    """Somebody who stays above the origin, with a ground of their own: without a common place there is none of all."""
    pelvis = actor.joints[:, :1]
    away = pelvis - (pelvis @ up)[..., None] * up
    lowest = lowest_foot(body, actor.betas, actor.rotmat, actor.joints, up)
    return replace(actor, joints=actor.joints - away - lowest * up)


def colour(number: int) -> Float[ndarray, "3"]:
    """The person's colour, sRGB."""
    return np.array(COLOURS[(number - 1) % len(COLOURS)], np.float32)
