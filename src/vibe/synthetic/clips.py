"""Rendered clips of the open body, whose truth is known: for the demo, and to measure 2D detectors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor

from vibe import body as bodies
from vibe.body import Body
from vibe.body.mesh import vertex_normals
from vibe.cameras import box_from_keypoints, default_camera, project
from vibe.motion import Motion
from vibe.motion.tensors import to_motion
from vibe.records import Camera, Clip, SmplParams, Track
from vibe.render import rasterizer
from vibe.render.shading import DAYLIGHT, Light
from vibe.synthetic import background, gait
from vibe.synthetic.background import BackgroundGround
from vibe.synthetic.clothing import Outfit, dress, random_look
from vibe.video.write import VideoWriter

SHADOW_PX = 384
"""Side of the picture taken from the light."""
PACE = 1.5
"""Radians per second by which the walker of the demo turns."""
NOISE = 2.5
"""Of the demo's camera, grey levels."""


@dataclass(frozen=True)
class Take:
    """A rendered clip and the truth about it."""

    clip: Clip
    camera: Camera
    motion: Motion
    """Of the person in it, in the camera's frame; `keypoints_px` are those of the body, of confidence 1."""


def make_clip(
    path: Path | str, seconds: float = 4.0, fps: float = 30.0, width: int = 720, height: int = 1280, seed: int = 8
) -> Take:
    """Writes a video of somebody who walks in a circle before a painted place, and returns the truth about it.

    The same numbers give the same pictures. Raises OSError if the file cannot be written.
    """
    body, camera = bodies.load_body(), default_camera(width, height)
    ground = background.ground_below(1.45, 0.07)
    times = torch.arange(max(1, round(seconds * fps)), dtype=torch.float64) / fps
    rotmat, betas, trans = _walk(body, camera, ground, times, seed)
    render_clip(Path(path), body, rotmat, betas, trans, camera, times, ground, seed)
    clip = Clip(Path(path), fps, width, height, times, 0)
    return Take(clip, camera, truth(body, rotmat, betas, trans, camera, times))


def render_clip(
    path: Path,
    body: Body,
    rotmat: Float[Tensor, "time 24 3 3"],
    betas: Float[Tensor, "10"],
    trans: Float[Tensor, "time 3"],
    camera: Camera,
    times: Float[Tensor, "time"],
    ground: BackgroundGround,
    seed: int = 0,
) -> None:
    """Writes a video of any motion in a standing camera's frame; look, place and light by `seed`.

    `trans` is the place of the pelvis joint. Raises OSError if the file cannot be written.
    """
    K_px = camera.K_px.numpy().astype(np.float64)
    place = background.background(camera.width, camera.height, K_px, ground, seed)
    outfit, light = dress(body, random_look(seed)), replace(DAYLIGHT, up=tuple(ground.up))
    fps = (len(times) - 1) / float(times[-1] - times[0]) if len(times) > 1 else 25.0
    pelvis = bodies.rest_joints(body, betas)[0]
    with VideoWriter(path, camera.width, camera.height, fps) as writer:
        for index, time in enumerate(times.tolist()):
            surface = bodies.vertices(body, rotmat[index], betas) - pelvis + trans[index]
            picture = render_person(place, surface, outfit, camera, light, ground)
            writer.write(background.sensor(picture, NOISE, 1000 * seed + index), time - float(times[0]))


def truth(
    body: Body,
    rotmat: Float[Tensor, "time 24 3 3"],
    betas: Float[Tensor, "10"],
    trans: Float[Tensor, "time 3"],
    camera: Camera,
    times: Float[Tensor, "time"],
) -> Motion:
    """What an estimate of this motion in the camera's frame should be."""
    pelvis = bodies.rest_joints(body, betas)[0]
    keypoints = bodies.keypoints(body, rotmat, betas, "coco17") - pelvis + trans[:, None]
    keypoints_px = torch.nn.functional.pad(project(keypoints, camera.K_px), (0, 1), value=1.0)
    track = Track(torch.arange(len(trans)), box_from_keypoints(keypoints_px), keypoints_px)
    return to_motion(SmplParams(rotmat, betas, trans), track, times, camera, body)


def _walk(
    body: Body, camera: Camera, ground: BackgroundGround, times: Float[Tensor, "time"], seed: int
) -> tuple[Float[Tensor, "time 24 3 3"], Float[Tensor, "10"], Float[Tensor, "time 3"]]:
    """A circle around the point where somebody fills two thirds of the picture's height, in the camera's frame."""
    betas = torch.randn(10, generator=torch.Generator().manual_seed(seed)) * 0.7
    rotmat, trans = gait.walk(body, betas, times, 0.6 + PACE * times)
    middle = (trans.amin(0) + trans.amax(0)) / 2
    K_px = camera.K_px
    distance = max(1.75 * float(K_px[1, 1]) / (0.62 * camera.height), 2.2 * float(K_px[0, 0]) / camera.width)
    R_cam_world = torch.from_numpy(ground.world_axes()).float()
    offset = torch.stack([-middle[0], torch.tensor(-ground.height), -middle[2] - distance])
    trans = (trans + offset) @ R_cam_world.mT
    return torch.cat([(R_cam_world @ rotmat[:, 0])[:, None], rotmat[:, 1:]], 1), betas, trans


def render_person(
    rgb: UInt8[ndarray, "height width 3"],
    vertices_cam: Float[Tensor, "vertex 3"],
    outfit: Outfit,
    camera: Camera,
    light: Light = DAYLIGHT,
    ground: BackgroundGround | None = None,
) -> UInt8[ndarray, "height width 3"]:
    """A dressed person put into a picture; a new array.

    `vertices_cam` are metres in the camera's frame, of the body that the outfit was made for. Parts of the body
    shade each other; with a ground, the person's shadow falls on it.
    """
    K_px = camera.K_px.numpy().astype(np.float64)
    skin = vertices_cam.numpy().astype(np.float32)
    normals = vertex_normals(skin, outfit.faces)
    surface = (skin + normals * outfit.thickness[:, None]).astype(np.float32)
    towards_light = light.packed()[:3]
    if ground is not None:
        rgb = background.cast_shadow(rgb, surface, outfit.faces, K_px, ground, towards_light)
    lit = _lit(surface, normals, outfit.faces, towards_light)
    return rasterizer.rasterize(
        rgb, [rasterizer.Mesh(surface, outfit.faces, outfit.colours, lit)], K_px, light, samples=8
    )


def _lit(surface, normals, faces, towards_light):
    """Share of the light that reaches each vertex: compared with a picture of the depths taken from the light."""
    centre, distance = (surface.min(0) + surface.max(0)) / 2, 30.0
    size = float(np.linalg.norm(surface - centre, axis=1).max())
    side = np.cross(towards_light, (0.0, 0.0, 1.0) if abs(towards_light[2]) < 0.9 else (0.0, 1.0, 0.0))
    side /= np.linalg.norm(side)
    R_light_cam = np.stack([side, np.cross(-towards_light, side), -towards_light])
    seen = (surface - centre) @ R_light_cam.T + (0, 0, distance)
    focal_px = SHADOW_PX / 2 * (distance - size) / size
    K_px = np.array([[focal_px, 0, SHADOW_PX / 2], [0, focal_px, SHADOW_PX / 2], [0, 0, 1]])
    nearest = rasterizer.depth_image(seen, faces, K_px, SHADOW_PX, SHADOW_PX)
    seen = seen + 0.012 * normals @ R_light_cam.T
    spot = seen[:, :2] / seen[:, 2:] * focal_px + SHADOW_PX / 2
    lit = np.zeros(len(surface), np.float32)
    for shift_x in (-1.5, 0.0, 1.5):
        for shift_y in (-1.5, 0.0, 1.5):
            x, y = (spot + (shift_x, shift_y)).clip(0, SHADOW_PX - 1).astype(int).T
            lit += (seen[:, 2] < nearest[y, x] + 0.012) / 9
    return lit
