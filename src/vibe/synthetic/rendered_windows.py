"""Training examples of which the evidence is not imitated: windows of stores that `vibe prepare` rendered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import roma
import torch
from jaxtyping import Float
from torch import Tensor

from vibe import body as bodies
from vibe.body import Body
from vibe.body.pose import mirror_quaternions
from vibe.data.store import open_store
from vibe.models.keypoint_embedding import detected_points
from vibe.skeletons import COCO, DETECTED27, mirrored
from vibe.synthetic import examples
from vibe.synthetic.examples import Example, SynthesisConfig
from vibe.synthetic.keypoint_noise import bias, steady_noise

COLUMNS = ("poses", "trans", "betas", "keypoints_px.coco17", "landmarks", "box_px")
OTHER_BODIES = 0.5
"""Steady errors over the imitated ones that keypoints are given besides: other people wear and carry other things."""


@dataclass(frozen=True)
class RenderedWindows:
    """Windows with the truth; lengths in the picture are over its diagonal, from its middle."""

    quaternions: Float[Tensor, "window time 24 4"]
    """Local rotations (x, y, z, w), the root's in the camera's frame."""
    pelvis_cam: Float[Tensor, "window time 3"]
    """Metres."""
    betas: Float[Tensor, "window 10"]
    points: Float[Tensor, "window time 27 6"]
    """What the pose model said: x, y; place in space, metres; confidence."""
    focal: Float[Tensor, "window"]


def load_rendered(
    folders: Sequence[str], split: str, set_aside: Sequence[str], frames: int, body: Body
) -> RenderedWindows:
    """The windows of a split of these stores, `train` or `validation`, of `frames` frames or more.

    Raises FileNotFoundError or ValueError for what is no such store, or one with other subjects set aside.
    """
    parts = []
    for store in map(open_store, folders):
        recipe, longer = store.manifest["recipe"], len(store) // len(store.sequences)
        right = recipe.get("set") == "rendered-evidence" and set(recipe["set_aside"]) == set(set_aside)
        if not right or longer < frames or any(each.stop - each.start != longer for each in store.sequences):
            raise ValueError(
                f"{store.folder} holds no rendered windows of {frames} frames with the subjects {', '.join(set_aside)} "
                "set aside: make it with `vibe prepare rendered-evidence`"
            )
        wanted = np.array([each.split == split and each.K_px is not None for each in store.sequences])
        cameras = [each.K_px for each in store.sequences if each.split == split and each.K_px is not None]
        columns = (np.array(store.column(name)).reshape(-1, longer, *store.column(name).shape[1:]) for name in COLUMNS)
        K_px = np.array(cameras).reshape(-1, 3, 3)
        parts.append([torch.from_numpy(each).float() for each in (*(column[wanted] for column in columns), K_px)])
    rotvec, trans, betas, keypoints, landmarks, box, K_px = (torch.cat(each) for each in zip(*parts, strict=True))
    if not len(K_px):
        raise ValueError(f"{', '.join(folders)}: no window of the split {split}: make more with --windows")
    middle = K_px[:, None, None, :2, 2]
    diagonal = 2 * middle.norm(dim=-1, keepdim=True)
    landmarks[..., :2] += box[:, :, None, :2]
    points = detected_points(keypoints, landmarks)
    points[..., :2] = (points[..., :2] - middle) / diagonal
    pelvis = trans + bodies.rest_joints(body, betas[:, 0])[:, None, 0]
    quaternions = roma.rotvec_to_unitquat(rotvec.unflatten(-1, (-1, 3)))
    return RenderedWindows(quaternions, pelvis, betas[:, 0], points, K_px[:, 0, 0] / diagonal[:, 0, 0, 0])


def rendered_example(
    windows: RenderedWindows, body: Body, config: SynthesisConfig, seed: torch.Generator, plain: bool = False
) -> Example:
    """A batch of windows by chance, half of them mirrored, beginning anywhere; the same for the same generator state.

    `plain` gives every window once, from its first frame and as it is, in boxes that are not shifted.
    """
    count, longer = len(windows.focal) if plain else config.batch, windows.points.shape[1] - config.frames
    window, flip = torch.randint(len(windows.focal), (count,), generator=seed), torch.rand(count, generator=seed) < 0.5
    start = torch.randint(longer + 1, (count,), generator=seed)
    known = torch.rand(count, generator=seed) < config.views.known
    bare = torch.rand(count, generator=seed) >= config.ends
    if plain:
        window, flip, start, bare = torch.arange(count), *map(torch.zeros_like, (flip, start, bare))
    rows = window[:, None], start[:, None] + torch.arange(config.frames)
    flip, sign = flip[:, None, None, None], torch.tensor([-1.0, 1.0, 1.0])
    quaternions, pelvis_cam, points_px = windows.quaternions[rows], windows.pelvis_cam[rows], windows.points[rows]
    quaternions = torch.where(flip, mirror_quaternions(quaternions), quaternions)
    pelvis_cam = torch.where(flip[..., 0], sign * pelvis_cam, pelvis_cam)
    keypoints, places = points_px[..., [0, 1, 5]], points_px[..., 2:5]
    keypoints, places = (
        torch.where(flip, sign * each[:, :, mirrored(DETECTED27)], each) for each in (keypoints, places)
    )
    assumed = torch.where(known, windows.focal[window], 1.0)
    zoom, betas, rotmat = windows.focal[window] / assumed, windows.betas[window], roma.unitquat_to_rotmat(quaternions)
    keypoints = torch.cat([keypoints[..., :2] / assumed[:, None, None, None], keypoints[..., 2:]], -1)
    points = examples.example_points(body, rotmat, betas[:, None])
    truth, metre = examples.see_keypoints(points, pelvis_cam, zoom)
    elsewhere = 0.0 if plain else OTHER_BODIES * bias(config.noise) * steady_noise(count, seed)
    keypoints = torch.cat([keypoints[..., :2] + elsewhere * metre[..., None], keypoints[..., 2:]], -1)
    places[bare], keypoints[bare, :, len(COCO) :] = 0.0, 0.0
    core, wobble = len(COCO), torch.full((count,), 0.0 if plain else 0.04)
    box = examples.steady_boxes(keypoints[:, :, :core], truth[:, :, :core], wobble, seed)
    labelled = examples.count_labelled(config, seed)
    return examples.build_example(rotmat, betas, zoom, points, truth, keypoints, box, labelled, places)
