"""A turning camera laid over a video that a still one took: real pixels of which the rotation is known exactly.

What a camera sees when it turns is a homography of what it sees at rest, so a narrower picture that wanders within a
wide one is what a turning camera with a longer lens would have taken, people included.
"""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float
from numpy import ndarray

from vibe.cameras import default_camera
from vibe.records import Camera
from vibe.synthetic.camera_paths import Filming, aimed, tremor
from vibe.video.read import open_video
from vibe.video.write import VideoWriter

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
    camera = default_camera(width, height, math.degrees(2 * math.atan(math.hypot(width, height) / 2 / focal_px)))
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
