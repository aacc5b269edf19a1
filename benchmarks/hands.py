"""Fingers in pictures: rendered people whose hands are in random poses within their joints' limits, truth known.

    python benchmarks/hands.py [--pictures 150] [--seed 100000] [--table FILE]

Each picture shows one person with a shape, look, place, arms and fingers of their own, 1.6 to 6 m away. The pose model
reads the body, the hand model each hand once, without a look before; the fit starts from a wrist that is turned wrongly
by 25 degrees, about as far as the body's is, and 4 % too near or far. The numbers of the fit were chosen on seeds below
2000.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import report
import roma
import torch
import tyro

from vibe import body as bodies
from vibe.arrays import as_numpy, as_tensors
from vibe.body import Body, load_body
from vibe.body.hands import (
    ANGLES,
    ARMS,
    SIDES,
    angle_limits,
    hand_points,
    hand_rotmat,
    hand_skeleton,
    relaxed_angles,
    with_fingers,
)
from vibe.cameras import default_camera, project
from vibe.evaluate.metrics import pa_mpjpe_mm
from vibe.inference.hands import OTHER_SIDE, fit_hand, places_sight
from vibe.records import HandReadings
from vibe.render.shading import DAYLIGHT
from vibe.skeletons import SMPL
from vibe.synthetic import background
from vibe.synthetic.clips import NOISE, render_people
from vibe.synthetic.clothing import dress, random_look
from vibe.tracking.hand_model import PRESENT, HandModel, palm_region
from vibe.tracking.pose_model import BlazePose

WIDTH, HEIGHT = 960, 1280
SIZES = ((30, 60), (60, 100), (100, 160), (160, 400))
"""Longer side of the box around a hand's points, pixels."""
WRONG_DEG = 25.0
"""By how much the wrist from which the fit starts is turned wrongly."""
WRONG_SHARE = 0.04
"""Of its distance, by which it is too near or too far (standard deviation): a few centimetres."""


def main(pictures: int = 150, seed: int = 100_000, table: Path | None = None) -> None:
    """Measure and print the table."""
    body, pose_model, hand_model = load_body(), BlazePose(), HandModel()
    found = [row for n in range(pictures) for row in measure(body, pose_model, hand_model, seed + n)]
    rows = []
    for low, high in (*SIZES, (60, 400)):
        hands = np.array([row for row in found if low <= row[0] < high]).reshape(-1, 7)
        seen = hands[hands[:, 1] > 0]
        means = [float(mean) for mean in seen[:, 3:].mean(0)] if len(seen) else ["-"] * 4
        asked = 100 * float((hands[:, 2] > 0).mean()) if len(hands) else "-"
        answered = 100 * float((hands[:, 1] > 0).mean()) if len(hands) else "-"
        rows.append([f"{low} to {high}", len(hands), asked, answered, *means])
    head = ["size, pixels", "hands", "asked, %", "answered, %", "error mm", "PA mm", "relaxed: error mm", "PA mm"]
    note = (
        f"{pictures} pictures of {WIDTH} x {HEIGHT}, seeds from {seed}. Size is the longer side of the box around a "
        "hand's points. Errors are means over its points about the wrist, of the hands that were answered; PA after "
        f"the best turn, place and size. Relaxed is what is shown without an answer, on a wrist {WRONG_DEG:g} degrees "
        "off. Asked are hands that the pose model sees, large enough"
    )
    report.table("Fingers of rendered hands", head, rows, note, table)


def measure(body: Body, pose_model: BlazePose, hand_model: HandModel, seed: int) -> list[list[float]]:
    """Of each hand in a picture: its size in pixels, whether it was answered and asked, and four errors in mm."""
    random, camera = np.random.default_rng(seed), default_camera(WIDTH, HEIGHT)
    betas = torch.from_numpy(0.7 * random.standard_normal(10, np.float32))
    angles = [hand_angles(random) for _ in SIDES]
    rotmat, pelvis = posed(random)
    skeletons = [hand_skeleton(as_numpy(body), betas.numpy(), side) for side in SIDES]
    fingers = torch.from_numpy(np.concatenate([hand_rotmat(*each) for each in zip(skeletons, angles, strict=True)]))
    whole = torch.cat([rotmat[:ARMS], fingers])
    origin = pelvis - bodies.rest_joints(body, betas)[0]
    surface = bodies.vertices(with_fingers(body), whole, betas) + origin
    R_cam_joint, joints = bodies.pose_joints(body, rotmat, betas)
    ground = background.ground_below(1.4, 0.05)
    place = background.background(WIDTH, HEIGHT, camera.K_px.numpy().astype(np.float64), ground, seed)
    light, outfit = replace(DAYLIGHT, up=tuple(ground.up)), dress(body, random_look(seed))
    rgb = background.sensor(render_people(place, [surface], [outfit], camera, light, ground), NOISE, seed)
    keypoints = project(bodies.keypoints(body, rotmat, betas, "coco17") + origin, camera.K_px)
    low, high = keypoints.amin(0), keypoints.amax(0)
    seen_body = pose_model(rgb, pose_model.start(torch.cat([(low + high) / 2, high - low]).numpy(), None))
    seen_body = pose_model(rgb, seen_body.follow)
    assert seen_body.whole is not None
    rows = []
    for right, side in enumerate(SIDES):
        wrist = SMPL.index(f"{side}_wrist")
        truth = hand_points(as_tensors(skeletons[right]), R_cam_joint[wrist], fingers[15 * right : 15 * right + 15])
        points_px = project(truth + joints[wrist] + origin, camera.K_px)
        size = float((points_px.amax(0) - points_px.amin(0)).max())
        if not ((points_px > 0) & (points_px < torch.tensor([WIDTH, HEIGHT]))).all():
            continue
        off = torch.from_numpy(random.standard_normal(3).astype(np.float32))
        R_wrist = R_cam_joint[wrist] @ roma.rotvec_to_rotmat(math.radians(WRONG_DEG) * off / off.norm())
        mean = as_tensors(hand_skeleton(as_numpy(body), np.zeros(10, np.float32), side))
        relaxed = hand_points(mean, R_wrist, torch.from_numpy(hand_rotmat(as_numpy(mean), relaxed_angles())))
        palm = palm_region(seen_body.whole, side, rgb)
        seen = None if palm is None else hand_model.look(rgb, palm, None)
        likely = 0.0 if seen is None else seen.right if right else 1 - seen.right
        if seen is None or seen.presence <= PRESENT or likely < OTHER_SIDE:
            rows.append([size, 0.0, float(palm is not None), *[math.nan] * 4])
            continue
        one = np.array([0]), seen.points_px[None], seen.places[None], np.array([seen.presence]), np.array([seen.right])
        away = float((joints[wrist] + origin).norm()) * math.exp(WRONG_SHARE * random.standard_normal())
        places, R_sight_cam = places_sight(HandReadings(*one), as_numpy(camera), np.array([away]))
        fitted, turn, _ = (
            torch.from_numpy(each) for each in fit_hand(as_numpy(mean), places, R_sight_cam @ R_wrist.numpy())
        )
        answer = hand_points(mean, R_wrist @ roma.rotvec_to_rotmat(turn[0]), hand_rotmat(mean, fitted[0]))
        rows.append([size, 1.0, 1.0, *errors_mm(answer, truth), *errors_mm(relaxed, truth)])
    return rows


def errors_mm(points: torch.Tensor, truth: torch.Tensor) -> list[float]:
    """The mean over the fingers' points, and after the best turn, place and size."""
    return [1000 * float((points - truth)[1:].norm(dim=-1).mean()), float(pa_mpjpe_mm(points[None], truth[None]))]


def hand_angles(random: np.random.Generator) -> np.ndarray:
    """Fingers that close about together, each by itself besides, within the limits."""
    low, high = angle_limits()
    together, own = random.random(), random.random(5)
    closed = np.repeat(0.6 * together + 0.4 * own, 3)
    share = np.append(closed + 0.1 * random.standard_normal(15), random.random(ANGLES - 15))
    return (low + (high - low) * (0.15 + 0.7 * share.clip(0, 1))).astype(np.float32)


def posed(random: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Somebody who stands before the camera with bent arms, and where the pelvis is, metres."""
    angles = torch.from_numpy(0.08 * random.standard_normal((len(SMPL), 3)).astype(np.float32))
    for side, sign in zip(SIDES, (1, -1), strict=True):
        down, ahead, bent = random.uniform(0.1, 1.2), random.uniform(-0.2, 0.6), random.uniform(0.2, 1.9)
        angles[SMPL.index(f"{side}_shoulder")] = torch.tensor([0, -sign * ahead, -sign * down], dtype=torch.float32)
        angles[SMPL.index(f"{side}_elbow")] = torch.tensor([random.uniform(-0.8, 0.8), -sign * bent, 0.0])
        angles[SMPL.index(f"{side}_wrist")] = torch.from_numpy(0.3 * random.standard_normal(3).astype(np.float32))
    rotmat = roma.rotvec_to_rotmat(angles)
    rotmat[len(SMPL) - 2 :] = torch.eye(3)
    facing = torch.tensor([0.0, random.uniform(-0.9, 0.9), 0.0])
    rotmat[0] = torch.diag(torch.tensor([1.0, -1.0, -1.0])) @ roma.rotvec_to_rotmat(facing)
    return rotmat, torch.tensor([0.0, 0.1, math.exp(random.uniform(math.log(1.6), math.log(6.0)))])


if __name__ == "__main__":
    tyro.cli(main)
