"""From where a motion is looked at: the video's camera, or one that stands beside people or goes around them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

from vibe.arrays import as_numpy
from vibe.body.record import Body
from vibe.distortion import distort
from vibe.motion import Motion
from vibe.motion.gravity import lowest_foot, upright
from vibe.motion.platforms import Platform
from vibe.records import Camera, World

FOCAL = 2.4
"""Focal length of the cameras beside people, in heights of their picture: 24 degrees from top to bottom."""
LOOK_DOWN_DEG = 9.0
"""By how much those cameras look down, so that the ground is seen as a plane."""
MARGIN, SKIN, CROWN = 0.015, 0.06, 0.09
"""Share of the picture left free on each side; metres by which bodies reach beyond joints, and heads more."""
CALM = 0.8
"""Seconds over which those cameras follow people; quicker movements are left to be seen."""
LEVEL = 0.2
"""Least length of what is level of a direction, of 1, that still tells where it points."""
TURN_SECONDS = 8.0
"""A whole number of turns is made, each of about as long."""


@dataclass(frozen=True)
class Viewpoint:
    """A camera in one frame, in the space that people are in: the world or, where none is known, the video's camera."""

    K_px: Float[ndarray, "3 3"]
    R_view_space: Float[ndarray, "3 3"]
    t_view_space: Float[ndarray, "3"]
    lens: Camera | None = None
    """Of the video's own camera, which bends what is drawn over its pictures."""

    def seen(self, points: Float[ndarray, "*b 3"]) -> Float[ndarray, "*b 3"]:
        """Points of the space that people are in, in the frame of this camera, where its pinhole shows them."""
        points = points @ self.R_view_space.T + self.t_view_space
        return (points if self.lens is None else distort(points, self.lens)).astype(np.float32)


@dataclass(frozen=True)
class Place:
    """Where people are through the clip, in the space that they are in, metres."""

    up: Float[ndarray, "3"]
    ahead: Float[ndarray, "3"]
    """The level direction in which the video's camera looks, on the mean."""
    floor: float
    """How far it reaches along `up`: the world's floor, or else the height of the lowest foot."""
    centres: Float[ndarray, "frame 3"]
    """The calmed middle between the floor and the highest point of everybody in view."""
    frames: Int[ndarray, "row"]
    joints: Float[ndarray, "row 24 3"]
    """Everybody's joints, with the frame that each row is of."""
    calm: float
    """`CALM` in frames."""
    platforms: tuple[Platform, ...] = ()
    """What people stand on above the floor, the lowest first."""

    @property
    def across(self) -> Float[ndarray, "2 3"]:
        """The level directions to the right of the video's camera and ahead of it."""
        return np.stack([np.cross(self.ahead, self.up), self.ahead])


def place(
    people: Sequence[tuple[int, Motion, Body]], seconds: Float[ndarray, "frame"], world: World | None = None,
    platforms: tuple[Platform, ...] = (),
) -> Place | None:  # fmt: skip
    """Where people are in the frames of the clip; None if there is nobody.

    In the camera's space up is where people stand upright, or the picture's up where hardly anybody stands.
    """
    if not people:
        return None
    space = "camera" if world is None else "world"
    joints = np.concatenate([motion.joints(space=space).values for _, motion, _ in people])
    if world is not None:
        up, floor = np.array([0.0, 0.0, 1.0], np.float32), 0.0
    else:
        found = upright(joints)
        up = found[0] if found else np.array([0.0, -1.0, 0.0], np.float32)
        floor = min(lowest_foot(as_numpy(body), one.smpl, one.joints_cam, up) for _, one, body in people)
    frames = np.concatenate([motion.frames for _, motion, _ in people])
    # the box around everybody in each frame: x, y and z of the camera and the height, held where nobody is in view
    spans = np.concatenate([joints, (joints @ up)[..., None]], -1)
    low, high = np.full((2, len(seconds), 4), np.inf) * [[[1.0]], [[-1.0]]]
    np.minimum.at(low, frames, spans.min(1))
    np.maximum.at(high, frames, spans.max(1))
    there = np.flatnonzero(np.isfinite(low[:, 0]))
    box = np.concatenate([(low[there, :3] + high[there, :3]) / 2, (floor + high[there, 3:] + CROWN) / 2], 1)
    path = np.stack([np.interp(np.arange(len(seconds)), there, axis) for axis in box.T], 1)
    calm = CALM / max(float(np.diff(seconds).mean()) if len(seconds) > 1 else 1.0, 1e-3)
    around = round(4 * calm)  # mirrored about the ends, or the camera would start behind who walks
    path = np.pad(path, ((around, around), (0, 0)), "reflect", reflect_type="odd")
    path = gaussian_filter1d(path, calm, axis=0)[around : around + len(seconds)]
    centres = path[:, :3] + (path[:, 3:] - path[:, :3] @ up[:, None]) * up
    return Place(up, _ahead(up, world), floor, centres, frames, joints, calm, platforms)


def _ahead(up: Float[ndarray, "3"], world: World | None) -> Float[ndarray, "3"]:
    """The level direction in which the camera looks; of one that looks down or all around, which its picture's up has.

    Of one that leaves that open too, the world's x.
    """
    axes = np.eye(3) if world is None else world.R_world_cam.astype(np.float64).mean(0)
    for direction in (axes[:, 2], -axes[:, 1]):
        level = direction - (direction @ up) * up
        if (length := np.linalg.norm(level)) > LEVEL:
            return level / length
    return np.array([1.0, 0.0, 0.0])


AROUND: dict[str, Callable[[Float[ndarray, "frame"], float], Float[ndarray, "frame"]]] = {
    "side": lambda share, seconds: np.full(len(share), np.pi / 2),
    "turn": lambda share, seconds: share * 2 * np.pi * max(1, round(seconds / TURN_SECONDS)),
}
"""How far a camera has gone around people, to the right, by the share of the film that has passed and its length."""


def orbit_view(
    view: str, place: Place, frames: Int[ndarray, "frame"], seconds: float, width: int, height: int
) -> list[Viewpoint]:
    """The cameras of a view of `AROUND` at these frames of the clip, everybody in the picture in each of them.

    `seconds` is the length of the film, in which a turning camera comes back to where it began.
    """
    share = np.arange(len(frames)) / len(frames)
    angle = AROUND[view](share, seconds)[:, None]
    right, ahead = place.across
    forward = np.cos(angle) * ahead - np.sin(angle) * right
    tilt = np.radians(LOOK_DOWN_DEG)
    z = np.cos(tilt) * forward - np.sin(tilt) * place.up
    x = np.cross(forward, place.up)
    R = np.stack([x, np.cross(z, x), z], 1)
    focal = FOCAL * height
    K_px = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]])
    ends = _far_enough(place, frames, R, focal, width, height)[:, None] * [0.0, 0.0, 1.0]
    return [Viewpoint(K_px, R[k], ends[k] - R[k] @ place.centres[frame]) for k, frame in enumerate(frames)]


def _far_enough(
    place: Place, frames: Int[ndarray, "frame"], R: Float[ndarray, "frame 3 3"], focal: float, width: int, height: int
) -> Float[ndarray, "frame"]:
    """Metres from the middle of people at which all of them, and the ground under them, are in the picture.

    The distance changes as calmly as the middle does.
    """
    needed = np.ones(len(frames))
    free = np.array([0.5 - MARGIN] * 2) * (width, height) / focal
    for k, frame in enumerate(frames):
        points = place.joints[place.frames == frame].reshape(-1, 3)
        if len(points):
            feet = points - ((points @ place.up) - place.floor)[:, None] * place.up
            seen = (np.concatenate([points, feet]) - place.centres[frame]) @ R[k].T
            needed[k] = max(1.0, float(((np.abs(seen[:, :2]) + SKIN) / free - seen[:, 2:]).max()))
    # the widest blur of the largest around each frame is never less than what the frame itself needs
    steps = max(1, round(place.calm * len(frames) / max(1, int(np.ptp(frames)) + 1)))
    return gaussian_filter1d(
        maximum_filter1d(needed, 4 * steps + 1, mode="nearest"), steps, mode="nearest", radius=2 * steps
    )
