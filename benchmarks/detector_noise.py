"""The shipped detector's errors on rendered clips of the open body, where the truth is known.

    python benchmarks/detector_noise.py [--clips 40] [--table FILE]

What `vibe.train.noise` imitates is read off this table. Motion of the training subjects, random cameras, clothes and
backgrounds; the follower's raw keypoints, before anything is cleaned. Millimetres at the joint's distance.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import report
import roma
import torch
import tyro
from numpy.typing import NDArray

from vibe import cameras, skeletons
from vibe.body.load import load_body
from vibe.body.marks import joints_and_keypoints
from vibe.body.pose import pose_joints
from vibe.body.record import Body
from vibe.body.skin import vertices
from vibe.data.clips import render_person
from vibe.data.looks import dress, random_look
from vibe.data.motion import clip_weights, draw_windows, find_motion, load_motions
from vibe.data.scenery import random_background
from vibe.people.track import Follower
from vibe.records import Camera
from vibe.train.views import ViewConfig, draw_views

FRAMES = 45
ARMS, LEGS = [5, 6, 7, 8, 9, 10], [11, 12, 13, 14, 15, 16]
PARENT = {"nose": "head", "eye": "head", "ear": "head", "shoulder": "collar", "elbow": "shoulder", "wrist": "elbow",
          "hip": "pelvis", "knee": "hip", "ankle": "knee"}  # fmt: skip
"""The joint in whose frame a steady offset of the keypoint is looked for."""


@dataclass(frozen=True)
class Options:
    clips: int = 40
    table: Path | None = None


@dataclass(frozen=True)
class Seen:
    """One clip: what the detector said and what is true."""

    detected_px: NDArray
    """[time, 17, 3]; zero where nobody was found."""
    truth_px: NDArray
    keypoints_cam: NDArray
    R_cam_joint: NDArray
    """[time, 24, 3, 3]."""
    camera: Camera


def watch(seed: int, body: Body, motions, weights) -> Seen:
    """Render one clip and follow the person in it."""
    random = torch.Generator().manual_seed(seed)
    quaternions, trans = draw_windows(motions, weights, 1, FRAMES, 1.0, random)
    config = ViewConfig(fov_deg=(40, 70), known=0.0, depth=(2.5, 7.0), pitch_deg=10, roll_deg=4, tilted=0.2, moving=0.3)
    view = draw_views(trans, config, random)
    betas = torch.randn(10, generator=random)
    rotmat = roma.unitquat_to_rotmat(quaternions[0])
    rotmat = torch.cat([(view.R_cam_world[0] @ rotmat[:, 0])[:, None], rotmat[:, 1:]], 1)
    joints, keypoints = joints_and_keypoints(body, rotmat, betas)
    shift = view.pelvis_cam[0][:, None] - joints[:, :1]
    width, height = (int(side) for side in view.half_picture[0] / view.half_picture[0].norm() * 1100)
    focal_px = float(view.zoom[0]) * float(np.hypot(width, height))
    camera = cameras.default_camera(
        width, height, float(np.rad2deg(2 * np.arctan(np.hypot(width, height) / 2 / focal_px)))
    )
    outfit, background = dress(body, random_look(seed)), random_background(width, height, seed)
    truth_px = cameras.project(keypoints + shift, camera.K_px).numpy()
    follower, detected = Follower(), np.zeros((FRAMES, 17, 3))
    for frame in range(FRAMES):
        surface = vertices(body, rotmat[frame], betas) + shift[frame]
        found = follower.step(frame, frame / 30, render_person(background, surface, outfit, camera))
        off = [np.linalg.norm(one.landmarks.keypoints_px[:, :2] - truth_px[frame], axis=1).mean() for one in found]
        if off:
            detected[frame] = found[int(np.argmin(off))].landmarks.keypoints_px
    R_cam_joint = pose_joints(body, rotmat, betas)[0].numpy()
    return Seen(detected, truth_px, (keypoints + shift).numpy(), R_cam_joint, camera)


def whole(seen: Seen) -> NDArray:
    """Frames in which somebody was found and all of the person is in the picture."""
    inside = (seen.truth_px > 0).all((1, 2)) & (seen.truth_px < (seen.camera.width, seen.camera.height)).all((1, 2))
    return inside & (seen.detected_px[..., 2].max(1) > 0)


def offset_mm(clips: list[Seen], keypoint: int) -> NDArray:
    """Steady offset [3] of a keypoint in its parent joint's axes, by robust least squares over all clips."""
    side, _, joint = skeletons.COCO[keypoint].rpartition("_")
    parent = PARENT[joint]
    number = skeletons.SMPL.index(parent if parent in skeletons.SMPL else f"{side}_{parent}")
    rows, aims = [], []
    for seen in clips:
        sure = whole(seen) & (seen.detected_px[:, keypoint, 2] > 0.8)
        K_px, point = seen.camera.K_px.numpy(), seen.keypoints_cam[sure, keypoint]
        ray = (seen.detected_px[sure, keypoint, :2] - K_px[:2, 2]) / K_px[0, 0]
        turn = seen.R_cam_joint[sure, number]
        rows.append(turn[:, :2] - ray[..., None] * turn[:, 2:])
        aims.append(ray * point[:, 2:] - point[:, :2])
    row, aim, offset = np.concatenate(rows), np.concatenate(aims), np.zeros(3)
    for _ in range(30):
        weight = 1 / (np.square(aim - row @ offset).sum(-1) + 0.03**2)
        offset = np.linalg.solve(
            np.einsum("n,nij,nik->jk", weight, row, row), np.einsum("n,nij,ni->j", weight, row, aim)
        )
    return offset * 1000


def row(clips: list[Seen], keypoint: int) -> list[object]:
    """One line of the table."""
    off, bias, within, jitter, sure = [], [], [], [], []
    for seen in clips:
        good = whole(seen)
        metre = seen.keypoints_cam[good, keypoint, 2:] / float(seen.camera.K_px[0, 0])
        error = (seen.detected_px[good, keypoint, :2] - seen.truth_px[good, keypoint]) * metre * 1000
        off.append(np.linalg.norm(error, axis=1))
        sure.append(seen.detected_px[good, keypoint, 2])
        if len(error) > 20:
            middle = np.median(error, 0)
            bias.append(middle)
            within.append(np.median(np.abs(error - middle)) / 0.6745)
            jitter.append(np.median(np.abs(np.diff(error, axis=0))) / 0.6745 / 2**0.5)
    errors, confidence = np.concatenate(off), np.concatenate(sure)
    spread = np.median(np.abs(np.array(bias) - np.median(bias, 0))) / 0.6745
    steady = " ".join(f"{value:.0f}" for value in offset_mm(clips, keypoint))
    low, middle = np.percentile(confidence, [10, 50])
    return [skeletons.COCO[keypoint], len(errors), float(np.median(errors)), float(np.percentile(errors, 90)),
            float(np.percentile(errors, 98)), float(spread), float(np.median(within)), float(np.median(jitter)),
            steady, f"{low:.2f}", f"{middle:.2f}"]  # fmt: skip


def swapped(clips: list[Seen], joints: list[int]) -> float:
    """Share of the frames in which these joints lie much nearer to the other side's truth."""
    mirrored, hits, frames = skeletons.mirrored(skeletons.COCO), 0, 0
    for seen in clips:
        good = whole(seen)
        size = np.ptp(seen.truth_px[good][..., 1], axis=1)
        straight = np.linalg.norm(seen.detected_px[good][..., :2] - seen.truth_px[good], axis=-1)[:, joints].mean(1)
        crossed = np.linalg.norm(seen.detected_px[good][:, mirrored, :2] - seen.truth_px[good], axis=-1)[:, joints]
        hits += int(((crossed.mean(1) < 0.6 * straight) & (straight > 0.05 * size)).sum())
        frames += int(good.sum())
    return hits / max(frames, 1)


def main(options: Options) -> None:
    body = load_body()
    motions = load_motions([find_motion("open_30fps.npz")], held_out=False)
    weights = clip_weights(motions)
    clips = [watch(seed, body, motions, weights) for seed in range(options.clips)]
    report.table(
        "Errors of the shipped 2D detector on rendered clips",
        ["keypoint", "frames", "median mm", "90 % mm", "98 % mm", "spread of the clips' medians mm",
         "deviation within a clip mm", "jitter mm", "steady offset in the parent joint x y z mm", "confidence 10 %",
         "confidence 50 %"],
        [row(clips, keypoint) for keypoint in range(17)],
        f"{options.clips} clips of {FRAMES} frames; left and right exchanged in {swapped(clips, ARMS):.1%} (arms) and "
        f"{swapped(clips, LEGS):.1%} (legs) of the frames",
        options.table,
    )  # fmt: skip


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
