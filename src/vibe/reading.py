"""What a network says of a track: rotations, shapes and places in the camera's frame, at moments of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, cast

import numpy as np
import roma
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor

from vibe import cameras
from vibe.body.mirror import mirror_rotmat
from vibe.body.points import SMPL_VERTICES
from vibe.body.record import Body
from vibe.body.shape import rest_joints
from vibe.model.stream import stream
from vibe.model.vibe import VIBE
from vibe.network import Network
from vibe.observe.crops import SIDE, cut
from vibe.observe.features import Extractor, FeatureReader, Reader
from vibe.observe.keypoints import mirror, observe
from vibe.observe.runtimes import eight_bit
from vibe.observe.timeline import even_times, resample_evidence, stretches
from vibe.records import Camera, Clip, Observation, Progress, Theta, Track
from vibe.video import open_video

LEAST_CROPS = 16
"""For 8-bit ranges and their error."""
Features = Float[Tensor, "time 2048"]


@dataclass(frozen=True)
class Reading:
    """One person as the network sees them, with the 2D evidence at the same moments."""

    rotmat: Float[Tensor, "moment 24 3 3"]
    """`global_orient` first, in the camera's frame."""
    betas: Float[Tensor, "moment 10"]
    trans: Float[Tensor, "moment 3"]
    """Pelvis in the camera's frame, metres."""
    keypoints_px: Float[Tensor, "moment 17 3"]
    """COCO-17: x, y, confidence; confidence 0 where there is no evidence."""
    times: Float[Tensor, "moment"]
    """Seconds, float64."""
    frames: tuple[slice, ...]
    """The stretches without a gap: rows of the track ..."""
    moments: tuple[slice, ...]
    """... and of this reading."""
    everywhere: bool
    """Whether it speaks for frames without keypoints, too."""


def knows_shapes(network: Network, body: Body) -> bool:
    """Whether the network's betas mean shapes of this body."""
    kind = "smpl" if len(body.v_template) == SMPL_VERTICES else body.origin.name.split("-")[0]
    return network.body == kind


def extract(
    path: Path, tracks: Sequence[Track], extractor: Reader, frames: int, progress: Progress | None
) -> tuple[Features, ...]:
    """Features of everybody's crops in a second pass over the video, frame by frame; nothing else is kept."""
    reader = FeatureReader(tracks, extractor)
    with open_video(path) as video:
        for frame in video:
            reader.step(frame.index, frame.rgb)
            if progress:
                progress("features", frame.index + 1, frames)
    return reader.finish()


def in_eight_bits(
    network: Network, clip: Clip, tracks: Sequence[Track], runtime: Literal["torch", "openvino", "onnxruntime"]
) -> tuple[Network, list[str]]:
    """The network with its features computed in 8-bit integers, and a remark that says how far off they are.

    The ranges are set by crops of the video itself; with fewer than `LEAST_CROPS` floats stay. Raises ValueError for
    PyTorch, which has no such integers, and ImportError without the runtime.
    """
    if runtime == "torch":
        raise ValueError("PyTorch runs the image network in floats only: choose openvino or onnxruntime for 8 bits")
    crops = sample_crops(clip.path, tracks)
    if not isinstance(network.extractor, Extractor) or len(crops) < LEAST_CROPS:
        return network, [f"features in 8 bits need {LEAST_CROPS} crops or more of people: floats were used"]
    found = eight_bit(network.extractor, crops, runtime)
    remark = f"features in 8 bits differ from those in floats by {found.error:.1%} of their size, and by "
    remark += f"{found.error_of_spread:.0%} of what tells one crop from another ({len(crops)} crops)"
    return replace(network, extractor=found.read), [remark]


def sample_crops(path: Path, tracks: Sequence[Track], count: int = 64) -> UInt8[ndarray, "crop 224 224 3"]:
    """Crops of people, evenly spread over all frames in which somebody is."""
    places = [(int(frame), box) for track in tracks for frame, box in zip(track.frames, track.box_px, strict=True)]
    chosen = sorted(places[:: max(1, len(places) // count)], key=lambda place: place[0])
    wanted: dict[int, list[Tensor]] = {}
    for index, box_px in chosen:
        wanted.setdefault(index, []).append(box_px)
    crops = [np.empty((0, SIDE, SIDE, 3), np.uint8)]
    with open_video(path) as video:
        for frame in video:
            if boxes := wanted.pop(frame.index, None):
                crops.append(cut(frame.rgb, torch.stack(boxes)))
            if not wanted:
                break
    return np.concatenate(crops)


@torch.no_grad()
def read_keypoints(track: Track, times: Float[Tensor, "time"], camera: Camera, network: Network, body: Body) -> Reading:
    """The keypoint network's answer, at even moments of about 30 a second."""
    spans = stretches(times)
    parts = []
    for span in spans:
        at = even_times(times[span])
        keypoints_px, box_px = resample_evidence(track.keypoints_px[span], track.box_px[span], times[span], at)
        observation = observe(keypoints_px, box_px, camera.K_px)
        theta = _to_cpu(lift(network.model, _onto(network.model, observation), network.window))
        parts.append((*_placed(theta, box_px, camera), keypoints_px, at))
    rotmat, betas, trans, keypoints_px, at = (torch.cat(each) for each in zip(*parts, strict=True))
    betas = betas if knows_shapes(network, body) else torch.zeros_like(betas)
    return Reading(
        rotmat, betas, trans, keypoints_px, at, tuple(spans), _runs([len(part[-1]) for part in parts]), False
    )


@torch.no_grad()
def read_features(
    track: Track, times: Float[Tensor, "time"], camera: Camera, network: Network, features: Features, body: Body
) -> Reading:
    """The picture network's answer, frame by frame.

    The published system's rotations stay as they are; its weak camera is placed in space by the crop's own rays.
    """
    spans = stretches(times)
    place = next(network.model.parameters())
    thetas = [_to_cpu(stream(network.model, features[span].to(place))) for span in spans]
    rotmat, betas, pred_cam = (
        torch.cat([getattr(theta, name) for theta in thetas]) for name in ("rotmat", "betas", "pred_cam")
    )
    betas = betas if knows_shapes(network, body) else torch.zeros_like(betas)
    pelvis = cameras.translation_from_weak(pred_cam, track.box_px, camera.K_px) + rest_joints(body, betas)[:, 0]
    return Reading(rotmat, betas, pelvis, track.keypoints_px, times, tuple(spans), tuple(spans), True)


def lift(model: VIBE, observation: Observation, window: int) -> Theta:
    """The keypoint network's answer for a track of any length, averaged with that for the mirrored evidence.

    Tracks longer than `window` are read in windows, each of which shares half with the next, the last one more, and
    fades into it.
    """
    frames = observation.box.shape[-2]
    length = min(window, frames)
    nearness = torch.arange(1, length + 1).to(observation.box)
    nearness = torch.minimum(nearness, nearness.flip(0))
    rotmat, betas, pred_cam, total = (
        observation.box.new_zeros(frames, *shape) for shape in ((24, 3, 3), (10,), (3,), (1,))
    )
    for start in (*range(0, frames - length, max(length // 2, 1)), frames - length):
        at = slice(start, start + length)
        found = _both_sides(model, Observation(observation.keypoints[at], observation.box[at]))
        rotmat[at] += nearness[:, None, None, None] * found.rotmat
        betas[at] += nearness[:, None] * found.betas
        pred_cam[at] += nearness[:, None] * found.pred_cam
        total[at] += nearness[:, None]
    return Theta(
        cast(Tensor, roma.special_procrustes(rotmat / total[..., None, None])), betas / total, pred_cam / total
    )


def _both_sides(model: VIBE, observation: Observation) -> Theta:
    """The mean of the straight and the mirrored reading; that of the rotations is not one itself."""
    other = mirror(observation)
    both = model(
        Observation(torch.stack([observation.keypoints, other.keypoints]), torch.stack([observation.box, other.box]))
    )
    flipped = both.pred_cam[1] * both.pred_cam.new_tensor([1.0, -1.0, 1.0])
    return Theta(
        (both.rotmat[0] + mirror_rotmat(both.rotmat[1])) / 2, both.betas.mean(0), (both.pred_cam[0] + flipped) / 2
    )


def _placed(theta: Theta, box_px: Float[Tensor, "time 4"], camera: Camera) -> tuple[Tensor, Tensor, Tensor]:
    """Rotations, betas and pelvis: from the view that looks at the crop's middle to the camera's."""
    R_crop_cam, _, half_side = cameras.crop_view(box_px, camera.K_px)
    depth = cameras.depth_from_scale(theta.pred_cam[:, 0].clamp_min(0.05), half_side)
    pelvis_crop = torch.stack([theta.pred_cam[:, 1], theta.pred_cam[:, 2], depth], -1)
    pelvis_cam = (R_crop_cam.mT @ pelvis_crop[..., None])[..., 0]
    return torch.cat([(R_crop_cam.mT @ theta.rotmat[:, 0])[:, None], theta.rotmat[:, 1:]], 1), theta.betas, pelvis_cam


def _onto(model: VIBE, observation: Observation) -> Observation:
    place = next(model.parameters()).device
    return Observation(observation.keypoints.to(place), observation.box.to(place))


def _to_cpu(theta: Theta) -> Theta:
    return Theta(theta.rotmat.cpu(), theta.betas.cpu(), theta.pred_cam.cpu())


def _runs(sizes: Sequence[int]) -> tuple[slice, ...]:
    """Slices of these sizes, one after the other."""
    ends = torch.tensor(sizes).cumsum(0).tolist()
    return tuple(slice(end - size, end) for size, end in zip(sizes, ends, strict=True))
