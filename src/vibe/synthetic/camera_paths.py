"""How a camera films people: standing, turning after them, held by hand, walking along, going around.

Also a turning camera laid over a video that a still one took: real pixels of which the rotation is known exactly. What
a camera sees when it turns is a homography of what it sees at rest, so a narrower picture that wanders within a wide
one is what a turning camera with a longer lens would have taken, people included.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.ndimage import gaussian_filter1d

from vibe.cameras import default_camera, fov_from_focal
from vibe.records import Camera
from vibe.video.read import open_video
from vibe.video.write import VideoWriter

Places = Float[ndarray, "time 3"]
BORDER = 0.04
"""Share of the picture that stays free around everybody."""
NEAREST = 1.2
"""Metres in front of the camera that nobody comes closer than."""
FOV_DEG = (45.0, 66.0)
"""Across the diagonal: phones and cameras."""
SIZES = ((854, 480), (480, 854))
HEIGHT = (0.9, 1.9)
"""Metres above the floor."""
DISTANCE = (2.6, 5.5)
"""Metres from the middle of what is filmed, at first; more where somebody would leave the picture."""
PATIENCE = 400
"""Cameras that are tried for a film."""


@dataclass(frozen=True)
class Filming:
    """A camera with its place in the world, right-handed and z up, in each frame."""

    camera: Camera
    R_world_cam: Float[ndarray, "time 3 3"]
    t_world_cam: Float[ndarray, "time 3"]

    def project(self, points_world: Float[ndarray, "time point 3"]) -> Float[ndarray, "time point 3"]:
        """Pixels, and metres along the line of sight."""
        points_cam = (points_world - self.t_world_cam[:, None]) @ self.R_world_cam
        seen = points_cam @ np.asarray(self.camera.K_px, np.float64).T
        return np.concatenate([seen[..., :2] / np.maximum(seen[..., 2:], 0.01), points_cam[..., 2:]], -1)


def aimed(direction: Float[ndarray, "*b 3"], roll: Float[ndarray, "*b"]) -> Float[ndarray, "*b 3 3"]:
    """R_world_cam of cameras that look along a direction, turned about it by `roll` radians from level."""
    forward = direction / np.linalg.norm(direction, axis=-1, keepdims=True)
    level = np.cross(forward, (0.0, 0.0, 1.0))
    level /= np.linalg.norm(level, axis=-1, keepdims=True)
    below = np.cross(forward, level)
    cosine, sine = np.cos(roll)[..., None], np.sin(roll)[..., None]
    return np.stack([cosine * level + sine * below, cosine * below - sine * level, forward], -1)


def tremor(frames: int, fps: float, rng: np.random.Generator) -> Float[ndarray, "{frames} 3"]:
    """The sway of a hand: noise of unit variance between half a hertz and four."""
    noise = rng.normal(size=(frames + 400, 3))
    sway = gaussian_filter1d(noise, 0.16 * fps, axis=0) + 0.25 * gaussian_filter1d(noise[::-1], 0.04 * fps, axis=0)
    return (sway / sway.std(0))[200 : 200 + frames]


def _still(subject, eye, fps, rng):
    return np.repeat(eye[None], len(subject), 0), np.repeat(subject.mean(0)[None], len(subject), 0), 0.0


def _pan(subject, eye, fps, rng):
    """Turns after the person, a little late and uneven, or to and fro where the person stays."""
    sweep = math.radians(rng.uniform(6, 14)) * rng.choice([-1, 1])
    phase = np.arange(len(subject)) / fps * rng.uniform(0.8, 1.6) + rng.uniform(0, 2 * math.pi)
    away = np.linalg.norm((subject.mean(0) - eye)[:2])
    across = np.cross((subject.mean(0) - eye) * [1, 1, 0], (0.0, 0.0, 1.0)) / away
    aim = subject + (away * np.tan(sweep * np.sin(phase)))[:, None] * across * 0.5
    return np.repeat(eye[None], len(subject), 0), aim, 0.1


def _handheld(subject, eye, fps, rng):
    """Stands and follows the person with a hand that sways by degrees and centimetres."""
    return eye + 0.025 * tremor(len(subject), fps, rng), subject, 0.7


def _along(subject, eye, fps, rng):
    """Walks beside, behind or before the person, with the bounce of steps."""
    steps = np.arange(len(subject)) / fps * 2 * math.pi * rng.uniform(1.6, 2.0)
    eye = eye + (subject - subject.mean(0)) * [0.9, 0.9, 0] + 0.02 * tremor(len(subject), fps, rng)
    eye[:, 2] += 0.015 * np.sin(steps)
    return eye, subject, 0.5


def _dolly(subject, eye, fps, rng):
    """Goes around the person, and nearer."""
    share = (np.arange(len(subject)) / max(len(subject) - 1, 1))[:, None]
    turn = math.radians(rng.uniform(20, 45)) * rng.choice([-1, 1]) * (share[:, 0] - 0.5)
    away = eye - subject.mean(0)
    around = np.stack([np.cos(turn), -np.sin(turn), np.sin(turn), np.cos(turn)], -1).reshape(-1, 2, 2) @ away[:2]
    nearer = 1 - rng.uniform(0.0, 0.25) * share
    eye = np.concatenate([subject.mean(0)[:2] + around * nearer, eye[2] + rng.uniform(-0.3, 0.4) * share], -1)
    return eye + 0.006 * tremor(len(subject), fps, rng), subject, 0.2


@dataclass(frozen=True)
class CameraWork:
    """A way to film."""

    kind: str
    """What of its motion there is to find: still, turning or moving (`vibe.records.World.camera`)."""
    move: Callable[[Places, Float[ndarray, "3"], float, np.random.Generator], tuple[Places, Places, float]]
    """Where the camera is and what it looks at, metres, and how much the hand sways, degrees; from the path of the
    people's middle, a place for the camera, the frame rate and chance."""


MOTIONS = {
    "still": CameraWork("still", _still),
    "pan": CameraWork("turning", _pan),
    "handheld": CameraWork("moving", _handheld),
    "along": CameraWork("moving", _along),
    "dolly": CameraWork("moving", _dolly),
}


def film(points_world: Float[ndarray, "time point 3"], motion: str, fps: float, rng: np.random.Generator) -> Filming:
    """A camera that moves in the way of `MOTIONS` and has all points in its picture all the time.

    Raises ValueError if none is found: the people are too far apart.
    """
    low, high = points_world.min(1), points_world.max(1)
    subject = gaussian_filter1d((low + high) / 2, 0.35 * fps, axis=0, mode="nearest")
    fov_deg, distance, first = rng.uniform(*FOV_DEG), rng.uniform(*DISTANCE), int(rng.integers(len(SIZES)))
    for attempt in range(PATIENCE):
        yaw, height = rng.uniform(-math.pi, math.pi), rng.uniform(*HEIGHT)
        eye = np.array([*subject.mean(0)[:2] + distance * np.array([math.cos(yaw), math.sin(yaw)]), height])
        path, aim, sway_deg = MOTIONS[motion].move(subject, eye, fps, rng)
        roll = np.full(len(path), math.radians(rng.normal(0, 2.0)))
        sway = np.radians(sway_deg) * tremor(len(path), fps, rng)
        direction = aim - path + np.linalg.norm(aim - path, axis=1, keepdims=True) * sway
        R_world_cam = aimed(direction, roll + sway[:, 0])
        filming = Filming(default_camera(*SIZES[(attempt + first) % len(SIZES)], fov_deg), R_world_cam, path)
        seen = filming.project(points_world)
        share = seen[..., :2] / (filming.camera.width, filming.camera.height)
        if seen[..., 2].min() > NEAREST and share.min() > BORDER and share.max() < 1 - BORDER:
            return filming
        distance *= 1.012
    raise ValueError(f"no camera has everybody in its picture ({motion}): choose people who are closer together")


SHARE = 0.62
"""Of the sides of the wide picture that the narrow one has in the middle."""
MOST_FRAMES = 150
LONGEST_PX = 960
"""Longer side of the narrow picture, at most."""
SWAY_DEG = 0.25
"""Standard deviation of the hand's sway."""
STEPS = 20
"""Halvings and shrinkings of the path until it stays within the wide picture."""


def virtual_pan(source: Path, out: Path, rng: np.random.Generator) -> Filming:
    """Writes what a turning camera would have seen of a still camera's video, and says how it was turned.

    The wide camera is taken for the product's default one; the world is level with it, z up. Raises what opening and
    writing videos does, ValueError for a video of fewer than ten frames.
    """
    with open_video(source) as video:
        frames = []
        for frame in video:
            frames.append((frame.time, frame.rgb))
            if len(frames) == MOST_FRAMES:
                break
    if len(frames) < 10:
        raise ValueError(f"{source} has {len(frames)} pictures that can be read: give videos of ten or more")
    height, width = frames[0][1].shape[:2]
    wide, fps = default_camera(width, height), (len(frames) - 1) / (frames[-1][0] - frames[0][0])
    R_wide_cam, camera = _turns(wide, len(frames), fps, rng)
    K_wide, K_px = (np.asarray(each.K_px, np.float64) for each in (wide, camera))
    with VideoWriter(out, camera.width, camera.height, fps) as writer:
        for (time, rgb), turn in zip(frames, R_wide_cam, strict=True):
            to_wide = _from_middles(K_wide @ turn @ np.linalg.inv(K_px))
            size, how = (camera.width, camera.height), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            writer.write(cv2.warpPerspective(rgb, to_wide, size, flags=how), time - frames[0][0])
    R_world_wide = aimed(np.array([1.0, 0.0, 0.0]), np.array(0.0))
    return Filming(camera, R_world_wide @ R_wide_cam, np.zeros((len(frames), 3)))


def _turns(wide: Camera, frames: int, fps: float, rng: np.random.Generator) -> tuple[ndarray, Camera]:
    """R_wide_cam of each frame, as far as the narrow picture stays within the wide one, and the narrow camera."""
    scale = min(1.0, LONGEST_PX / (SHARE * max(wide.width, wide.height)))
    width, height = (2 * round(SHARE * scale * side / 2) for side in (wide.width, wide.height))
    focal_px = float(wide.K_px[0, 0]) * scale
    camera = default_camera(width, height, fov_from_focal(focal_px, math.hypot(width, height)))
    time = np.arange(frames) / fps
    phase = rng.uniform(0, 2 * math.pi, 3)
    rate = rng.uniform(0.8, 1.8, 3)
    swing = np.array([4.0, 7.0, 1.5]) * np.sin(time[:, None] * rate + phase) + SWAY_DEG * tremor(frames, fps, rng)
    for _ in range(STEPS):
        turns = np.stack([cv2.Rodrigues(np.radians(each))[0] for each in swing])
        if _inside(wide, camera, turns):
            break
        swing = swing * 0.85
    return turns, camera


def _inside(wide: Camera, camera: Camera, R_wide_cam: Float[ndarray, "time 3 3"]) -> bool:
    """Whether the corners of the narrow picture are all in the wide one."""
    corners = np.array([[0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]]) * [camera.width, camera.height, 1]
    K_wide, K_px = (np.asarray(each.K_px, np.float64) for each in (wide, camera))
    seen = corners @ (K_wide @ R_wide_cam @ np.linalg.inv(K_px)).transpose(0, 2, 1)
    places = seen[..., :2] / seen[..., 2:]
    return bool((places > 1).all() and (places < np.array([wide.width, wide.height]) - 1).all())


def _from_middles(to_wide: Float[ndarray, "3 3"]) -> Float[ndarray, "3 3"]:
    """The same map between pixels that count from the middle of the first, as OpenCV's do."""
    shift = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    return np.linalg.inv(shift) @ to_wide @ shift
