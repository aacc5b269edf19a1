"""Rendered clips of the open body, whose truth is known: for the demo, and to measure 2D detectors.

The walk is made by rule: hips, knees, arms and trunk as waves of the step's phase, feet that stay where they stand.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import roma
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor

from vibe import body as bodies
from vibe.body import Body
from vibe.body.mesh import vertex_normals
from vibe.body.pose import turn_root
from vibe.cameras import box_from_keypoints, default_camera, project
from vibe.motion import Motion
from vibe.motion.tensors import to_motion
from vibe.records import Camera, Clip, SmplParams, Track
from vibe.render import rasterizer
from vibe.render.shading import DAYLIGHT, Light
from vibe.skeletons import SMPL
from vibe.synthetic import background
from vibe.synthetic.background import BackgroundGround
from vibe.synthetic.camera_paths import Filming
from vibe.synthetic.clothing import Outfit, dress, random_look
from vibe.synthetic.scenery import Scenery
from vibe.video.write import VideoWriter

JOINT: dict[str, int] = {name: joint for joint, name in enumerate(SMPL)}
STRIDES = 0.85
"""Per second; two steps each."""


def walk(
    body: Body, betas: Float[Tensor, "10"], times: Float[Tensor, "time"], turn: Float[Tensor, "time"]
) -> tuple[Float[Tensor, "time 24 3 3"], Float[Tensor, "time 3"]]:
    """Rotations and pelvis positions of somebody who walks, facing `turn` radians to the left of +z.

    In a world of y up with the floor at y = 0, starting above its origin. The soles follow the floor.
    """
    phase = 2 * math.pi * STRIDES * times.float()
    angles = torch.zeros(len(times), len(SMPL), 3)
    for side, shift in (("left", 0.0), ("right", math.pi)):
        _leg(angles, side, phase + shift)
        _arm(angles, side, phase + shift + math.pi)
    _trunk(angles, phase)
    rotmat = roma.rotvec_to_rotmat(angles)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        hang = torch.tensor([0.0, 0.0, -1.28 * sign])
        shoulder = JOINT[f"{side}_shoulder"]
        rotmat[:, shoulder] = rotmat[:, shoulder] @ roma.rotvec_to_rotmat(hang)
    heading = torch.nn.functional.pad(turn.float()[:, None], (1, 1))
    rotmat[:, 0] = roma.rotvec_to_rotmat(heading) @ rotmat[:, 0]
    return rotmat, _path(body, betas, rotmat)


def _bump(phase, centre, width):
    return torch.exp((torch.cos(phase - centre) - 1) / width**2)


def _leg(angles, side, phase):
    """Phase 0 is the strike of the heel; degrees as in a textbook of gait."""
    hip, knee, ankle, foot = (JOINT[f"{side}_{joint}"] for joint in ("hip", "knee", "ankle", "foot"))
    angles[:, hip, 0] = -torch.deg2rad(9 + 21 * torch.cos(phase + 0.1))
    angles[:, knee, 0] = torch.deg2rad(6 + 12 * _bump(phase, 0.9, 0.55) + 56 * _bump(phase, 4.55, 0.75))
    lift = 9 * _bump(phase, 2.7, 0.7) - 20 * _bump(phase, 3.95, 0.45)
    angles[:, ankle, 0] = -torch.deg2rad(lift - 2)
    angles[:, foot, 0] = -torch.deg2rad(22 * _bump(phase, 3.5, 0.5))


def _arm(angles, side, phase):
    """Swings against the leg of its side."""
    sign = 1.0 if side == "left" else -1.0
    shoulder, elbow, wrist = (JOINT[f"{side}_{joint}"] for joint in ("shoulder", "elbow", "wrist"))
    swing = torch.cos(phase + 0.1)
    angles[:, shoulder, 0] = -torch.deg2rad(20 * swing)
    angles[:, elbow, 1] = -sign * torch.deg2rad(20 + 9 * swing)
    angles[:, wrist, 1] = -sign * math.radians(6)
    angles[:, elbow, 0] = math.radians(14)


def _trunk(angles, phase):
    """The pelvis turns with the forward leg, the chest against it; the head looks ahead and a little about."""
    twist = torch.sin(phase + math.pi / 2 + 0.1)
    angles[:, 0, 1] = -torch.deg2rad(5 * twist)
    angles[:, 0, 2] = torch.deg2rad(2.5 * torch.sin(phase))
    for joint in ("spine1", "spine2", "spine3"):
        angles[:, JOINT[joint], 1] = torch.deg2rad(4 * twist)
        angles[:, JOINT[joint], 0] = math.radians(1.5)
    neck, head = JOINT["neck"], JOINT["head"]
    angles[:, neck, 1] = -torch.deg2rad(5 * twist)
    angles[:, neck, 0] = math.radians(6)
    angles[:, head, 1] = torch.deg2rad(10 * torch.sin(phase * 0.23))
    angles[:, head, 0] = -math.radians(7)


def _path(body, betas, rotmat):
    """Pelvis positions for which the lowest point of the soles rests on the floor and stays where it is."""
    R_world, joints = bodies.pose_joints(body, rotmat, betas)
    rest = bodies.rest_joints(body, betas)
    floor = bodies.rest_vertices(body, betas)[:, 1].min()
    soles = []
    for side in ("left", "right"):
        ankle, foot = JOINT[f"{side}_ankle"], JOINT[f"{side}_foot"]
        for carrier, forward in ((ankle, rest[ankle, 2] - 0.045), (ankle, rest[foot, 2]), (foot, rest[foot, 2] + 0.06)):
            offset = torch.stack([rest[foot, 0], floor, forward]) - rest[carrier]
            soles.append(joints[:, carrier] + R_world[:, carrier] @ offset)
    points = torch.stack(soles, 1) - joints[:, :1]
    lowest = points[..., 1].argmin(1)
    steps = (points[:-1] - points[1:])[torch.arange(len(points) - 1), lowest[:-1]]
    steps = _smoothed(torch.nn.functional.pad(steps * torch.tensor([1.0, 0.0, 1.0]), (0, 0, 1, 0)))
    height = _smoothed(-points[..., 1].amin(1, keepdim=True))
    return steps.cumsum(0) + torch.nn.functional.pad(height, (1, 1))


def _smoothed(values):
    """Mean with the neighbours in time, weighted 1 2 1."""
    padded = torch.cat([values[:1], values, values[-1:]])
    return (padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4


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
    smpl = _walk(body, camera, ground, times, seed)
    render_clip(Path(path), body, smpl, camera, times, ground, seed)
    return Take(Clip(Path(path), fps, width, height, times, 0), camera, truth(body, smpl, camera, times))


def render_clip(
    path: Path, body: Body, smpl: SmplParams, camera: Camera, times: Float[Tensor, "time"], ground: BackgroundGround,
    seed: int = 0,
) -> None:  # fmt: skip
    """Writes a video of a motion in a standing camera's frame; look, place and light by `seed`; raises OSError."""
    K_px = camera.K_px.numpy().astype(np.float64)
    place = background.background(camera.width, camera.height, K_px, ground, seed)
    outfit, light = dress(body, random_look(seed)), replace(DAYLIGHT, up=tuple(ground.up))
    fps = (len(times) - 1) / float(times[-1] - times[0]) if len(times) > 1 else 25.0
    pelvis = bodies.rest_joints(body, smpl.betas)[0]
    with VideoWriter(path, camera.width, camera.height, fps) as writer:
        for index, time in enumerate(times.tolist()):
            surface = bodies.vertices(body, smpl.rotmat[index], smpl.betas) - pelvis + smpl.pelvis[index]
            picture = render_people(place, [surface], [outfit], camera, light, ground)
            writer.write(background.sensor(picture, NOISE, 1000 * seed + index), time - float(times[0]))


def truth(body: Body, smpl: SmplParams, camera: Camera, times: Float[Tensor, "time"]) -> Motion:
    """What an estimate of this motion in the camera's frame should be."""
    pelvis = bodies.rest_joints(body, smpl.betas)[0]
    keypoints = bodies.keypoints(body, smpl.rotmat, smpl.betas, "coco17") - pelvis + smpl.pelvis[:, None]
    keypoints_px = torch.nn.functional.pad(project(keypoints, camera.K_px), (0, 1), value=1.0)
    track = Track(torch.arange(len(times)), box_from_keypoints(keypoints_px), keypoints_px)
    return to_motion(smpl, track, times, camera, body)


def _walk(body: Body, camera: Camera, ground: BackgroundGround, times: Float[Tensor, "time"], seed: int) -> SmplParams:
    """A circle around the point where somebody fills two thirds of the picture's height, in the camera's frame."""
    betas = torch.randn(10, generator=torch.Generator().manual_seed(seed)) * 0.7
    rotmat, trans = walk(body, betas, times, 0.6 + PACE * times)
    middle = (trans.amin(0) + trans.amax(0)) / 2
    K_px = camera.K_px
    distance = max(1.75 * float(K_px[1, 1]) / (0.62 * camera.height), 2.2 * float(K_px[0, 0]) / camera.width)
    R_cam_world = torch.from_numpy(ground.world_axes()).float()
    offset = torch.stack([-middle[0], torch.tensor(-ground.height), -middle[2] - distance])
    trans = (trans + offset) @ R_cam_world.mT
    return SmplParams(turn_root(R_cam_world, rotmat), betas, trans)


def render_world_clip(
    path: Path, body: Body, people: Sequence[SmplParams], filming: Filming, times: Float[Tensor, "time"],
    place: Scenery, seed: int = 0,
) -> None:  # fmt: skip
    """Writes a video of people in a world, z up and the floor at 0, by a camera that moves; looks by `seed`.

    Raises OSError if the file cannot be written.
    """
    camera, R_cam_world = filming.camera, filming.R_world_cam.transpose(0, 2, 1)
    outfits = [dress(body, random_look(seed + number)) for number in range(len(people))]
    pelvises = [bodies.rest_joints(body, smpl.betas)[0] for smpl in people]
    sun = filming.R_world_cam[0] @ DAYLIGHT.packed()[:3]
    fps = (len(times) - 1) / float(times[-1] - times[0]) if len(times) > 1 else 25.0
    with VideoWriter(path, camera.width, camera.height, fps) as writer:
        for index, time in enumerate(times.tolist()):
            R, t = torch.from_numpy(R_cam_world[index]).float(), torch.from_numpy(filming.t_world_cam[index]).float()
            ground = BackgroundGround(R_cam_world[index, :, 2], float(filming.t_world_cam[index, 2]))
            light = replace(DAYLIGHT, towards=tuple(R_cam_world[index] @ sun), up=tuple(ground.up))
            surfaces = [
                (bodies.vertices(body, smpl.rotmat[index], smpl.betas) - pelvis + smpl.pelvis[index] - t) @ R.mT
                for smpl, pelvis in zip(people, pelvises, strict=True)
            ]
            picture = place.picture(camera, filming.R_world_cam[index], filming.t_world_cam[index])
            picture = render_people(picture, surfaces, outfits, camera, light, ground)
            writer.write(background.sensor(picture, NOISE, 1000 * seed + index), time - float(times[0]))


def render_people(
    rgb: UInt8[ndarray, "height width 3"], surfaces_cam: Sequence[Float[Tensor, "vertex 3"]],
    outfits: Sequence[Outfit], camera: Camera, light: Light = DAYLIGHT, ground: BackgroundGround | None = None,
) -> UInt8[ndarray, "height width 3"]:  # fmt: skip
    """Dressed people put into a picture; a new array.

    `surfaces_cam` are vertices in the camera's frame, metres, of the bodies that the outfits were made for. Parts of a
    body shade each other; with a ground, shadows fall on it.
    """
    K_px = camera.K_px.numpy().astype(np.float64)
    towards_light, meshes = light.packed()[:3], []
    for vertices_cam, outfit in zip(surfaces_cam, outfits, strict=True):
        skin = vertices_cam.numpy().astype(np.float32)
        normals = vertex_normals(skin, outfit.faces)
        surface = (skin + normals * outfit.thickness[:, None]).astype(np.float32)
        if ground is not None:
            rgb = background.cast_shadow(rgb, surface, outfit.faces, K_px, ground, towards_light)
        lit = _lit(surface, normals, outfit.faces, towards_light)
        meshes.append(rasterizer.Mesh(surface, outfit.faces, outfit.colours, lit))
    return rasterizer.rasterize(rgb, meshes, K_px, light, samples=8)


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
    for shift in itertools.product((-1.5, 0.0, 1.5), repeat=2):
        x, y = (spot + shift).clip(0, SHADOW_PX - 1).astype(int).T
        lit += (seen[:, 2] < nearest[y, x] + 0.012) / 9
    return lit
