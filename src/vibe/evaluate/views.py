"""Still cameras around a person who moves, placed so that they stay in the picture: the open benchmark's views."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

PICTURES = ((1920, 1080), (1080, 1920), (1440, 1080))
"""Width and height, pixels."""
FOV_DEG = (40.0, 80.0)
"""Angle of view across the diagonal; its tangent is log-uniform. Nobody is told."""
HEIGHT = (0.7, 2.2)
"""Of the camera above the floor, metres; uniform."""
DISTANCE = (2.5, 7.0)
"""From the middle of the motion, metres, log-uniform; more where the person would leave the picture."""
ROLL_DEG = 2.5
"""Standard deviation."""
AIM = 0.25
"""Metres by which the camera aims beside the middle of the motion: standard deviation along each axis."""
BORDER = 0.03
"""Share of the picture's sides that is kept free around the person."""
NEAREST = 1.0
"""Metres in front of the camera that no joint comes closer than."""


@dataclass(frozen=True)
class StillCamera:
    """A pinhole camera that stands in a y-up world."""

    R_cam_world: Float[Array, "3 3"]
    t_cam_world: Float[Array, "3"]
    focal_px: float
    width: int
    """Pixels."""
    height: int
    """Pixels."""

    def see(self, points_world: Float[Array, "*b 3"]) -> Float[Array, "*b 3"]:
        """The points in the camera's frame."""
        return points_world @ self.R_cam_world.T + self.t_cam_world

    def project(self, points_cam: Float[Array, "*b 3"]) -> Float[Array, "*b 2"]:
        """Pixels."""
        return points_cam[..., :2] / points_cam[..., 2:] * self.focal_px + np.array([self.width, self.height]) / 2


def draw_camera(points_world: Float[Array, "time point 3"], random: np.random.RandomState) -> StillCamera:
    """A camera for somebody whose points move so, above a floor at y = 0."""
    low, high = points_world.min((0, 1)), points_world.max((0, 1))
    middle = (low + high) / 2
    width, height = PICTURES[random.randint(len(PICTURES))]
    tangent = np.exp(random.uniform(*np.log(np.tan(np.radians(FOV_DEG) / 2))))
    focal_px = round(float(np.hypot(width, height) / 2 / tangent), 3)
    yaw, stands = random.uniform(-np.pi, np.pi), random.uniform(*HEIGHT)
    roll = np.radians(ROLL_DEG) * random.standard_normal()
    aim = middle + AIM * random.standard_normal(3)
    distance = np.exp(random.uniform(*np.log(DISTANCE)))
    while True:
        place = np.array([middle[0] + distance * np.sin(yaw), stands, middle[2] + distance * np.cos(yaw)])
        R_cam_world = np.round(looking(aim - place, roll), 12)
        camera = StillCamera(R_cam_world, np.round(-R_cam_world @ place, 6), focal_px, width, height)
        if sees_all(camera, points_world):
            return camera
        distance *= 1.06


def looking(direction: Float[Array, "3"], roll: float) -> Float[Array, "3 3"]:
    """R_cam_world of a camera that looks along a direction, turned about it by `roll`."""
    forward = direction / np.linalg.norm(direction)
    right = np.cross(forward, [0.0, 1.0, 0.0])
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    return np.stack([np.cos(roll) * right + np.sin(roll) * down, np.cos(roll) * down - np.sin(roll) * right, forward])


def sees_all(camera: StillCamera, points_world: Float[Array, "time point 3"]) -> bool:
    """Whether all points stay in the picture, free of its border, and in front of the camera."""
    points_cam = camera.see(points_world)
    if points_cam[..., 2].min() < NEAREST:
        return False
    share = camera.project(points_cam) / (camera.width, camera.height)
    return bool((share > BORDER).all() and (share < 1 - BORDER).all())
