"""What a network says of a track: rotations, shapes and places in the camera's frame, at moments of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Literal, cast

import numpy as np
import roma
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor

from vibe import cameras
from vibe.body.keypoint_regressor import SMPL_VERTICES
from vibe.body.pose import mirror_rotmat, rest_joints
from vibe.body.record import Body
from vibe.features.crops import SIDE, cut
from vibe.features.extractor import Extractor
from vibe.features.keypoint_embedding import mirror_observation, observe
from vibe.features.runtimes import eight_bit
from vibe.features.timeline import even_times, resample_evidence, stretches
from vibe.inference.network import Network
from vibe.models.generator import VIBE, run_generator
from vibe.parallel import one_thread
from vibe.records import Camera, Clip, GeneratorOutput, Observation, Track
from vibe.video import open_video

LEAST_CROPS = 16
"""For 8-bit ranges and their error."""
Features = Float[Tensor, "time 2048"]


@dataclass(frozen=True)
class Answer:
    """One person as the network sees them at some moments in a row, with the 2D evidence at the same moments."""

    rotmat: Float[Tensor, "moment 24 3 3"]
    """`global_orient` first, in the camera's frame."""
    betas: Float[Tensor, "moment 10"]
    trans: Float[Tensor, "moment 3"]
    """Pelvis in the camera's frame, metres."""
    keypoints_px: Float[Tensor, "moment 17 3"]
    """COCO-17: x, y, confidence; confidence 0 where there is no evidence."""

    def part(self, span: slice) -> Answer:
        """Some of the moments."""
        return Answer(self.rotmat[span], self.betas[span], self.trans[span], self.keypoints_px[span])

    @property
    def confidence(self) -> Float[Tensor, "moment"]:
        """Mean over the keypoints."""
        return self.keypoints_px[..., 2].mean(-1)


@dataclass(frozen=True)
class Timeline:
    """When a network reads a track."""

    times: Float[Tensor, "moment"]
    """Seconds, float64."""
    frames: tuple[slice, ...]
    """The stretches without a gap: rows of the track ..."""
    moments: tuple[slice, ...]
    """... and of what the network says of it."""
    everywhere: bool
    """Whether it speaks for frames without keypoints, too."""


@dataclass(frozen=True)
class Reading(Timeline, Answer):
    """What the network says of a whole track."""


def stack_predictions(answers: Iterable[Answer]) -> Answer:
    """Pieces in a row as one."""
    parts = list(answers)
    return Answer(*(torch.cat([getattr(part, field.name) for part in parts]) for field in fields(Answer)))


def join_predictions(line: Timeline, answers: Iterable[Answer]) -> Reading:
    """All that is said of a track as one."""
    said = stack_predictions(answers)
    whole = said.rotmat, said.betas, said.trans, said.keypoints_px
    return Reading(*whole, line.times, line.frames, line.moments, line.everywhere)


def knows_shapes(network: Network, body: Body) -> bool:
    """Whether the network's betas mean shapes of this body."""
    kind = "smpl" if len(body.v_template) == SMPL_VERTICES else body.origin.name.split("-")[0]
    return network.body == kind


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


def read_keypoints(track: Track, times: Float[Tensor, "time"], camera: Camera, network: Network, body: Body) -> Reading:
    """The keypoint network's answer, at even moments of about 30 a second."""
    line = timeline(times, network)
    return join_predictions(line, keypoint_answers(track, times, line, camera, network, body))


def read_features(
    track: Track, times: Float[Tensor, "time"], camera: Camera, network: Network, features: Features, body: Body
) -> Reading:
    """The picture network's answer, frame by frame.

    The published system's rotations stay as they are; its weak camera is placed in space by the crop's own rays.
    """
    line = timeline(times, network)
    return join_predictions(line, feature_answers(track, line, camera, network, features.__getitem__, body))


def timeline(times: Float[Tensor, "time"], network: Network) -> Timeline:
    """The moments at which a track with frames at these times (seconds) is read."""
    spans = tuple(stretches(times))
    if network.evidence == "images":
        return Timeline(times, spans, spans, True)
    even = [even_times(times[span]) for span in spans]
    return Timeline(torch.cat(even), spans, _runs([len(each) for each in even]), False)


@torch.no_grad()
def keypoint_answers(
    track: Track, times: Float[Tensor, "time"], line: Timeline, camera: Camera, network: Network, body: Body,
    first: int = 0,
) -> Iterator[Answer]:  # fmt: skip
    """What the keypoint network says, piece by piece, from the moment number `first` on."""
    known = knows_shapes(network, body)
    for rows, at in zip(line.frames, line.moments, strict=True):
        if at.stop <= first:
            continue
        evidence = resample_evidence(track.keypoints_px[rows], track.box_px[rows], times[rows], line.times[at])
        look = partial(_observed, *evidence, camera, next(network.model.parameters()).device)
        place = max(first - at.start, 0)
        for theta in predict_pieces(network.model, look, at.stop - at.start, network.window, place):
            span = slice(place, place + len(theta.betas))
            rotmat, betas, trans = _placed(_to_cpu(theta), evidence[1][span], camera)
            yield Answer(rotmat, betas if known else torch.zeros_like(betas), trans, evidence[0][span])
            place = span.stop


@torch.no_grad()
def feature_answers(
    track: Track, line: Timeline, camera: Camera, network: Network, features: Callable[[slice], Features], body: Body,
    wanted: int = 0,
) -> Iterator[Answer]:  # fmt: skip
    """What the picture network says, piece by piece, of features that are asked for when it is their turn.

    It remembers what it has seen of a stretch, and so reads all of that in which the first moment `wanted` is.
    """
    place, known = next(network.model.parameters()), knows_shapes(network, body)
    for rows in line.frames:
        first = rows.start
        if rows.stop <= wanted:
            continue
        of_these = partial(_moved, features, first, place)
        for theta in map(_to_cpu, run_generator(network.model, of_these, rows.stop - first)):
            at = slice(first, first + len(theta.betas))
            betas = theta.betas if known else torch.zeros_like(theta.betas)
            pelvis = cameras.translation_from_weak(theta.pred_cam, track.box_px[at], camera.K_px)
            pelvis = pelvis + rest_joints(body, betas)[:, 0]
            said = Answer(theta.rotmat, betas, pelvis, track.keypoints_px[at])
            if at.stop > wanted:
                yield said.part(slice(max(wanted - first, 0), None))
            first = at.stop


def predict_windows(model: VIBE, observation: Observation, window: int) -> GeneratorOutput:
    """The keypoint network's answer for a track of any length, averaged with that for the mirrored evidence.

    Tracks longer than `window` are read in windows, each of which shares half with the next, the last one more, and
    fades into it.
    """
    frames = observation.box.shape[-2]
    look = partial(_windowed, observation)
    parts = [(theta.rotmat, theta.betas, theta.pred_cam) for theta in predict_pieces(model, look, frames, window)]
    return GeneratorOutput(*(torch.cat(each) for each in zip(*parts, strict=True)))


def predict_pieces(
    model: VIBE, look: Callable[[slice], Observation], frames: int, window: int, first: int = 0
) -> Iterator[GeneratorOutput]:
    """The same piece by piece, from the frame number `first` on, of evidence that is looked at window by window."""
    length = min(window, frames)
    starts = [*range(0, frames - length, max(length // 2, 1)), frames - length]
    nearness: Tensor | None = None
    sums: list[Tensor] = []
    for start, end in zip(starts, [*starts[1:], frames], strict=True):
        if start + length <= first:
            continue
        with one_thread():
            found = _both_sides(model, look(slice(start, start + length)))
        if nearness is None:
            rising = torch.arange(1, length + 1).to(found.betas)
            nearness = torch.minimum(rising, rising.flip(0))
        new = [
            nearness[:, None, None, None] * found.rotmat,
            nearness[:, None] * found.betas,
            nearness[:, None] * found.pred_cam,
            nearness[:, None].clone(),
        ]
        for old, each in zip(sums, new):
            each[: len(old)] = old + each[: len(old)]
        done, sums = end - start, [each[end - start :] for each in new]
        rotmat, betas, pred_cam, total = (each[max(first - start, 0) : done] for each in new)
        if len(total):
            yield GeneratorOutput(
                cast(Tensor, roma.special_procrustes(rotmat / total[..., None, None])), betas / total, pred_cam / total
            )


def _both_sides(model: VIBE, observation: Observation) -> GeneratorOutput:
    """The mean of the straight and the mirrored reading; that of the rotations is not one itself."""
    other = mirror_observation(observation)
    both = model(
        Observation(torch.stack([observation.keypoints, other.keypoints]), torch.stack([observation.box, other.box]))
    )
    flipped = both.pred_cam[1] * both.pred_cam.new_tensor([1.0, -1.0, 1.0])
    return GeneratorOutput(
        (both.rotmat[0] + mirror_rotmat(both.rotmat[1])) / 2, both.betas.mean(0), (both.pred_cam[0] + flipped) / 2
    )


def _placed(theta: GeneratorOutput, box_px: Float[Tensor, "time 4"], camera: Camera) -> tuple[Tensor, Tensor, Tensor]:
    """Rotations, betas and pelvis: from the view that looks at the crop's middle to the camera's."""
    R_crop_cam, _, half_side = cameras.crop_view(box_px, camera.K_px)
    depth = cameras.depth_from_scale(theta.pred_cam[:, 0].clamp_min(0.05), half_side)
    pelvis_crop = torch.stack([theta.pred_cam[:, 1], theta.pred_cam[:, 2], depth], -1)
    pelvis_cam = (R_crop_cam.mT @ pelvis_crop[..., None])[..., 0]
    return torch.cat([(R_crop_cam.mT @ theta.rotmat[:, 0])[:, None], theta.rotmat[:, 1:]], 1), theta.betas, pelvis_cam


def _observed(
    keypoints_px: Float[Tensor, "moment 17 3"], box_px: Float[Tensor, "moment 4"], camera: Camera,
    device: torch.device, span: slice,
) -> Observation:  # fmt: skip
    """The evidence at some moments, as the network takes it."""
    seen = observe(keypoints_px[span], box_px[span], camera.K_px)
    return Observation(seen.keypoints.to(device), seen.box.to(device))


def _windowed(observation: Observation, span: slice) -> Observation:
    return Observation(observation.keypoints[span], observation.box[span])


def _moved(features: Callable[[slice], Features], first: int, place: Tensor, span: slice) -> Features:
    """Features of a stretch that begins at row `first`, where the network computes."""
    return features(slice(first + span.start, first + span.stop)).to(place)


def _to_cpu(theta: GeneratorOutput) -> GeneratorOutput:
    return GeneratorOutput(theta.rotmat.cpu(), theta.betas.cpu(), theta.pred_cam.cpu())


def _runs(sizes: Sequence[int]) -> tuple[slice, ...]:
    """Slices of these sizes, one after the other."""
    ends = torch.tensor(sizes).cumsum(0).tolist()
    return tuple(slice(end - size, end) for size, end in zip(sizes, ends, strict=True))
