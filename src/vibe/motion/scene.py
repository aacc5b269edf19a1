"""A scene: motions in the axes, at the place, at the frame rate and for the stretch of time that other programs want.

All options of an export that do not belong to one format are applied here; a format writes down the scene.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from vibe.arrays import as_numpy
from vibe.body.hands import fingers_rotmat
from vibe.body.load import find_body
from vibe.body.pose import pose_joints, rest_joints, turn_root
from vibe.body.record import Body
from vibe.motion.character import Character
from vibe.motion.gait import Gait, gait
from vibe.motion.gravity import lowest_foot, upright
from vibe.motion.joint_angles import R_GROUND_SPACE, joint_angles_deg
from vibe.motion.record import Motion, Result
from vibe.motion.resample import (
    LONGEST_GAP,
    NEAR,
    low_pass,
    low_pass_rotations,
    neighbours,
    rotations_between,
    straight_between,
)
from vibe.motion.series import stretch
from vibe.records import Camera, SmplParams, Weights, World
from vibe.rotations import rotmat_from_rotvec, unit

AXES: dict[str, tuple[float, float, float]] = {
    "x": (1.0, 0.0, 0.0), "y": (0.0, 1.0, 0.0), "z": (0.0, 0.0, 1.0),
    "-x": (-1.0, 0.0, 0.0), "-y": (0.0, -1.0, 0.0), "-z": (0.0, 0.0, -1.0),
}  # fmt: skip
R_SCENE_CAM = {
    "y": R_GROUND_SPACE["camera"],
    "z": ((1.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.0, -1.0, 0.0)),
}
"""From the camera's frame to axes of which that one points up; the camera looks along -z, or along y."""
R_SCENE_WORLD = {
    "y": R_GROUND_SPACE["world"],
    "z": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
}
"""From the world, whose z points up, to axes of which that one does; the first person faces along x at first."""
R_SCENE_REST = {
    "y": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    "z": ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0), (0.0, 1.0, 0.0)),
}
"""From the body at rest to those axes, where it looks along z, or along -y: towards the camera."""
FASTEST = 1000.0
"""Frames a second."""
STILL = 1e-6
"""By how much a number of the pose of a camera that stands still may change."""
MOST_FRAMES = 1 << 19
"""Of all people together: about 5 hours of one at 30 frames a second, which take 5 GB of memory."""


@dataclass(frozen=True)
class SceneOptions:
    """What a user may ask of an export."""

    up: str = "y"
    """A key of `R_SCENE_CAM`."""
    facing: str | None = None
    """The axis of `AXES` along which the first person looks at their first frame; None: turned as in the video."""
    root: str = "origin"
    """A key of `ROOTS`. In the world, origin: the world's. in-place: everybody stays above it. camera: where the camera
    begins. In the camera's space, origin: the first person begins above it and the lowest foot is at height 0.
    in-place: everybody stays above it, the lowest of their own feet at height 0. camera: the camera is the origin."""
    ground: bool = False
    """In the camera's space: whether its tilt is taken out and the lowest foot put at height 0."""
    space: str | None = None
    """A key of `SPACES`; None: the world, where the result has one. In the world the floor is at height 0, and the
    camera may move; in the camera's space it stands still, whatever it did."""
    fps: float | None = None
    """None: the video's."""
    cutoff: float | None = None
    """Hertz from which motion is taken for noise and filtered out; None: all is kept."""
    start: float | None = None
    """Seconds in the video; None: its beginning."""
    end: float | None = None

    @property
    def bounds(self) -> tuple[float, float]:
        """Start and end in seconds, infinite where the video's are meant."""
        return -math.inf if self.start is None else self.start, math.inf if self.end is None else self.end


@dataclass(frozen=True)
class Scene:
    """What an export writes down; axes are right-handed, lengths in metres."""

    up: str
    fps: float
    start: float
    """Seconds in the video of the scene's first frame."""
    characters: tuple[Character, ...]
    """At least one."""
    camera: Camera
    R_scene_cam: Float[ndarray, "frame 3 3"]
    """From the first frame of the common clock to its last, as the next."""
    t_scene_cam: Float[ndarray, "frame 3"] | None
    """Where the camera is; None if people are held in place, which leaves it nowhere."""
    world: World | None
    """How the world is known that the scene is in; None in the camera's space."""
    body: Weights
    video: str
    notes: tuple[str, ...]
    """One sentence for each thing that was changed or could not be known."""

    @property
    def space(self) -> str:
        """A key of `SPACES`."""
        return "camera" if self.world is None else "world"

    @property
    def camera_moves(self) -> bool:
        """Whether the camera is not at one place, or turned one way, throughout."""
        paths = (self.R_scene_cam, self.t_scene_cam)
        return any(path is not None and bool((np.ptp(path, axis=0) > STILL).any()) for path in paths)

    def about(self, body: Body) -> dict[str, Any]:
        """What a file says of itself for who finds it; `body` is the one that was exported."""
        known = {} if self.world is None else self.world.about
        return {
            "space": self.space,
            **({"world": {name: value for name, value in known.items() if value is not None}} if known else {}),
            "units": "metres, seconds, radians",
            "axes": f"right-handed, {self.up} up",
            "joints": "SMPL-H's 52" if any(each.has_fingers for each in self.characters) else "SMPL's 24",
            "video": self.video,
            "start_seconds": self.start,
            "fps": self.fps,
            "body": {"name": self.body.name, "sha256": self.body.sha256, "licence": body.origin.licence},
        }

    @property
    def R_ground_scene(self) -> Float[ndarray, "3 3"]:
        """From the scene's axes to OpenSim's ground, whose y points up."""
        return np.eye(3) if self.up == "y" else np.array(R_GROUND_SPACE["world"])

    def angles_deg(self, character: Character, pelvis: str = "walking") -> Float[ndarray, "time angle"]:
        """Somebody's angles of `vibe.motion.joint_angles.angle_names`; the pelvis's in a key of `PELVIS_ORDERS`."""
        return joint_angles_deg(character.smpl.rotmat, character.rest, self.R_ground_scene, pelvis)

    def gait(self, character: Character) -> Gait | None:
        """How somebody walks, times from the scene's first frame; None where feet that stand, or the world, are not
        known."""
        if character.contacts is None or self.world is None:
            return None
        times = (character.first + np.arange(len(character.joints))) / self.fps
        return gait(character.contacts, character.joints, np.array(AXES[self.up], np.float32), times)

    @property
    def R_scene_rest(self) -> Float[ndarray, "3 3"]:
        """Stands the body at rest upright in the scene."""
        return np.array(R_SCENE_REST[self.up], np.float32)


def turned_at_rest(scene: Scene, character: Character) -> Float[ndarray, "time joint 3 3"]:
    """The rotations of somebody whose T-pose already stands upright in the scene's axes."""
    R = scene.R_scene_rest
    rotmat = character.smpl.rotmat
    return np.concatenate([rotmat[:, :1] @ R.T, R @ rotmat[:, 1:] @ R.T], 1)


def build_scene(result: Result, body: Body, options: SceneOptions, person: int | None = None) -> Scene:
    """Everybody, or one person, as the options have it; raises ValueError that says what can't be done."""
    _check(result, body, options)
    result, remarks = result.in_space(options.space)
    body, (low, high), world = as_numpy(body), options.bounds, result.world
    parts, notes = [], list(remarks)
    for number, motion in result.numbered(person):
        times = result.clip.timestamps[motion.frames]
        motion = motion.at((times >= low - 1e-6) & (times <= high + 1e-6))
        if not len(motion.frames):
            notes.append(f"person {number} is not in view in the stretch of time that is written, and left out")
            continue
        parts.append((number, motion))
        if motion.betas_per_frame is not None:
            notes.append(f"person {number} has a shape in every frame: their mean is written")
    if not parts:
        whose, last = f"person {person} is not" if person else "nobody is", [0.0, *result.clip.timestamps][-1]
        found = f"{len(result)} {'person was' if len(result) == 1 else 'people were'} found"
        raise ValueError(
            f"{whose} in view {stretch(options.start, options.end)}: the motion lies between 0 and {last:.2f} s, in "
            f"which {found}"
        )
    fps = _rate(result, options, [motion for _, motion in parts])
    begin = min(float(result.clip.timestamps[motion.frames[0]]) for _, motion in parts)
    about = result.clip.timestamps, begin, fps, body, options.cutoff
    characters = [_character(number, motion, *about) for number, motion in parts]
    if options.cutoff is not None:
        notes.append(f"motion faster than {options.cutoff:g} Hz is filtered out (Butterworth, fourth order, no lag)")
    for character in characters:
        if character.first:
            late = f"{character.first} {'frame' if character.first == 1 else 'frames'} ({character.first / fps:.2f} s)"
            notes.append(f"person {character.number} begins {late} after the first")
    frames = max(character.first + len(character.joints) for character in characters)
    R_scene_space, said = _axes(characters, options, world)
    R_scene_cam, t_scene_cam = _camera(world, result.clip.timestamps, begin + np.arange(frames) / fps, fps)
    R_scene_cam, t_scene_cam = R_scene_space @ R_scene_cam, t_scene_cam @ R_scene_space.T
    turned = [_turned(character, R_scene_space) for character in characters]
    shifts = _shifts(turned, options, body, None if world is None else t_scene_cam[0])
    return Scene(
        up=options.up,
        fps=fps,
        start=begin,
        characters=tuple(_shifted(character, shift) for character, shift in zip(turned, shifts, strict=True)),
        camera=result.camera,
        R_scene_cam=R_scene_cam,
        t_scene_cam=None if options.root == "in-place" else t_scene_cam + shifts[0],
        world=world,
        body=result.body,
        video=str(result.clip.path),
        notes=(*notes, *said),
    )


def _check(result: Result, body: Body, options: SceneOptions) -> None:
    find_body(result.body, body)
    low, high = options.bounds
    if not low <= high:
        asked = stretch(options.start, options.end)
        raise ValueError(f"no moment lies {asked}: give a --start that is not after --end")
    if options.facing is not None and options.facing.lstrip("-") == options.up:
        raise ValueError(f"nobody looks along {options.facing} where {options.up} points up: choose another axis")
    for number, motion in enumerate(result.people, start=1):
        for name in ("rotmat", "betas", "pelvis"):
            if not np.isfinite(getattr(motion.smpl, name)).all():
                raise ValueError(f"{number}/{name} of the motion has numbers that are not finite: the file is damaged")


def _rate(result: Result, options: SceneOptions, motions: Sequence[Motion]) -> float:
    fps, times = options.fps if options.fps is not None else result.clip.fps, result.clip.timestamps
    if not 0 < fps <= FASTEST:
        raise ValueError(f"{fps:g} frames a second: give a rate above 0, at most {FASTEST:g}, with --fps")
    if not np.isfinite(times).all() or not (np.diff(times) > 0).all():
        raise ValueError("the motion's timestamps do not increase: the file is damaged")
    frames = sum(1 + fps * float(times[motion.frames[-1]] - times[motion.frames[0]]) for motion in motions)
    if frames > MOST_FRAMES:
        raise ValueError(
            f"people are in view for {frames:.0f} frames at {fps:g} a second, {MOST_FRAMES} at most are held: take a "
            "part, by --start and --end, or one person"
        )
    return fps


def _character(
    number: int, motion: Motion, timestamps: Float[ndarray, "frame"], begin: float, fps: float, body: Body,
    cutoff_hz: float | None,
) -> Character:  # fmt: skip
    """A person at even moments from their first frame to their last, in the axes of the world, if it is known there.

    Rotations turn at constant speed between frames, the pelvis goes straight; a moment on a frame takes it as it is.
    The confidence is the lesser of the two frames around the moment; 0 in gaps and pauses of the video.
    """
    rotmat, pelvis = motion.smpl.rotmat, motion.smpl.pelvis
    if motion.R_world_cam is not None:
        rotmat, pelvis = turn_root(motion.R_world_cam, rotmat), motion.pelvis_world
    place = (timestamps[motion.frames] - begin) * fps
    first = int(np.ceil(place[0] - NEAR))
    moments = np.arange(first, max(int(np.floor(place[-1] + NEAR)), first) + 1, dtype=np.float64)
    before, after, part = neighbours(place, moments)
    sure = np.minimum(
        np.where(part < 1, motion.confidence[before], 1.0), np.where(part > 0, motion.confidence[after], 1.0)
    )
    apart = np.append((np.diff(motion.frames) > 1) | (np.diff(timestamps[motion.frames]) > LONGEST_GAP), False)
    gap = apart[before] & (part > 0) & (part < 1)
    sure = np.where(gap, 0.0, sure).astype(np.float32)
    turned = rotations_between(rotmat, before, after, part)
    pelvis = straight_between(pelvis, before, after, part)
    contacts = None
    if motion.contacts is not None:
        contacts = np.where(gap[:, None], 0, straight_between(motion.contacts, before, after, part)).astype(np.float32)
    deviations = None
    if motion.joints_std is not None:
        flat = straight_between(motion.joints_std.reshape(len(motion), -1), before, after, part)
        deviations = np.where(gap[:, None], np.nan, flat).reshape(-1, *motion.joints_std.shape[1:]).astype(np.float32)
    fingers = None
    if motion.left_hand_pose is not None and motion.right_hand_pose is not None and body.hands is not None:
        fingers = rotations_between(fingers_rotmat(motion.left_hand_pose, motion.right_hand_pose), before, after, part)
    if cutoff_hz is not None:
        turned, pelvis = low_pass_rotations(turned, cutoff_hz, fps), low_pass(pelvis, cutoff_hz, fps)
        fingers = None if fingers is None else low_pass_rotations(fingers, cutoff_hz, fps)
    rest = rest_joints(body, motion.smpl.betas)
    joints = pose_joints(body, turned, motion.smpl.betas)[1] - rest[0] + pelvis[:, None]
    smpl = SmplParams(turned, motion.smpl.betas, pelvis)
    return Character(number, first, smpl, rest, joints, sure, contacts, deviations, fingers)


def _camera(
    world: World | None, timestamps: Float[ndarray, "frame"], times: Float[ndarray, "moment"], fps: float
) -> tuple[Float[ndarray, "moment 3 3"], Float[ndarray, "moment 3"]]:
    """R_space_cam and t_space_cam at these times in the video: the camera in the world, or in its own space."""
    if world is None:
        return np.tile(np.eye(3, dtype=np.float32), (len(times), 1, 1)), np.zeros((len(times), 3), np.float32)
    rows = neighbours(timestamps * fps, times * fps)
    return rotations_between(world.R_world_cam, *rows), straight_between(world.t_world_cam, *rows)


def _axes(
    characters: Sequence[Character], options: SceneOptions, world: World | None
) -> tuple[Float[ndarray, "3 3"], list[str]]:
    """From the world, or the camera where there is none, to the scene, and what is to be said about it."""
    axes = R_SCENE_CAM if world is None else R_SCENE_WORLD
    R, up = np.array(axes[options.up], np.float32), np.array(AXES[options.up], np.float32)
    said = [] if world is None else world.doubts
    if options.ground and world is None:
        found = upright(np.concatenate([character.joints for character in characters]))
        if found is None:
            said.append("hardly anybody stands straight, so which way is up can't be known: the picture's up is kept")
        else:
            tilt = _turn(R @ found[0], up)
            angle_deg = math.degrees(math.acos(max(-1.0, min(1.0, float(R @ found[0] @ up)))))
            R = tilt @ R
            said.append(
                f"level is estimated from {found[1]} frames in which somebody stands straight: {angle_deg:.1f} degrees "
                "of tilt were taken out, give or take 2 to 5"
            )
    if options.facing is not None:
        # where the pelvis looks; of somebody who lies on the back or face the direction across the hips tells it
        R_pelvis = R @ characters[0].smpl.rotmat[0, 0]
        front = R_pelvis[:, 2] - (R_pelvis[:, 2] @ up) * up
        if np.linalg.norm(front) < 0.5:
            front = np.cross(R_pelvis[:, 0], up)
            front = front - (front @ up) * up
        R = _turn(unit(front), np.array(AXES[options.facing], np.float32), up) @ R
    return R, said


def _turn(
    one: Float[ndarray, "3"], two: Float[ndarray, "3"], axis: Float[ndarray, "3"] | None = None
) -> Float[ndarray, "3 3"]:
    """The rotation that takes one unit vector to the other: the smallest, or that about an axis across both."""
    across = np.cross(one, two)
    if axis is None:
        still = np.linalg.norm(across) < 1e-6
        axis = np.array([1.0, 0.0, 0.0], np.float32) if still else unit(across)
    return rotmat_from_rotvec(axis * np.arctan2(across @ axis, one @ two))


def _turned(character: Character, R_scene_cam: Float[ndarray, "3 3"]) -> Character:
    rotmat = turn_root(R_scene_cam, character.smpl.rotmat)
    joints = character.joints @ R_scene_cam.T
    return replace(character, smpl=replace(character.smpl, rotmat=rotmat, pelvis=joints[:, 0]), joints=joints)


ROOTS: dict[str, Callable[[Float[ndarray, "time 3"], Float[ndarray, "time 3"]], Float[ndarray, "*#time 3"]]] = {
    "origin": lambda own, first: first[0],
    "in-place": lambda own, first: own,
    "camera": lambda own, first: np.zeros(3, np.float32),
}
"""What is brought above the origin: the path of somebody's own pelvis, or a place on that of the first person's."""


def _shifts(
    characters: Sequence[Character], options: SceneOptions, body: Body, camera_begins: Float[ndarray, "3"] | None
) -> list[Float[ndarray, "*#time 3"]]:
    """By how much each is moved to where they are to stand; the camera goes with the first.

    `camera_begins` is the camera's first place in the world's axes; None in the camera's space, where people are put on
    the floor of their own lowest foot: in the world it is at height 0 already.
    """
    up, first = np.array(AXES[options.up], np.float32), characters[0].smpl.pelvis
    if camera_begins is not None:
        held = options.root == "in-place"
        still = -camera_begins if options.root == "camera" else np.zeros(3, np.float32)
        return [_level(one.smpl.pelvis, up) if held else still for one in characters]
    places = [ROOTS[options.root](one.smpl.pelvis, first) for one in characters]
    shifts = [_level(place, up) for place in places]
    if options.root != "camera" or options.ground:
        lowest = [lowest_foot(body, one.smpl, one.joints, up) for one in characters]
        # without a common place there is no ground of all
        in_place = options.root == "in-place"
        shifts = [shift - (own if in_place else min(lowest)) * up for shift, own in zip(shifts, lowest, strict=True)]
    return shifts


def _level(place: Float[ndarray, "*b 3"], up: Float[ndarray, "3"]) -> Float[ndarray, "*b 3"]:
    """From a place to above the origin, at its own height."""
    return (place @ up)[..., None] * up - place


def _shifted(character: Character, shift: Float[ndarray, "*#time 3"]) -> Character:
    joints = character.joints + shift[..., None, :]
    return replace(character, smpl=replace(character.smpl, pelvis=joints[:, 0]), joints=joints)
