"""What a network says of a track at even times: rotations, shapes and places in the camera's frame."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import accumulate, pairwise
from pathlib import Path
from typing import cast

import numpy as np
import roma
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor

from vibe import cameras
from vibe.body.pose import mirror_rotmat, rest_joints, turn_root
from vibe.body.record import Body
from vibe.cache import Chunks, Piece, StageCache, chunked, rows_of
from vibe.distortion import undistort_track
from vibe.features.runtimes import ReadFeatures
from vibe.inference.config import EstimatorConfig
from vibe.models.generator import VIBE, run_generator
from vibe.models.keypoint_embedding import detected_points, mirror_observation, observe
from vibe.models.network import Network, knows_shapes
from vibe.overlap import half_overlapping, overlap_add, triangle
from vibe.parallel import one_thread
from vibe.records import Camera, Clip, GeneratorOutput, Observation, Prediction, SmplParams, Track
from vibe.skeletons import COCO, SMPL
from vibe.video.read import open_video

RATE = 30.0
"""Frames a second that the network was trained on, give or take 60 %."""
LONGEST_GAP = 0.55
"""Seconds between neighbours beyond which a track is cut in two."""
PIECE = 4096
"""Moments that are resampled at a time."""


def stretches(times: Float[Tensor, "time"]) -> list[slice]:
    """The parts of a track without a gap."""
    cuts = (times.diff() > LONGEST_GAP).nonzero()[:, 0].add(1).tolist()
    return [slice(first, last) for first, last in zip([0, *cuts], [*cuts, len(times)], strict=True)]


def even_times(times: Float[Tensor, "time"]) -> Float[Tensor, "moment"]:
    """Evenly spaced moments from the first time to the last or just beyond, in seconds.

    A whole fraction or multiple of the mean frame rate is chosen, so that at an even rate of 20 to 45 frames a second
    they are the times themselves, if need be with a file's rounding (up to a twentieth of a step), and in a hole those
    of the frames that are left out.
    """
    if len(times) < 2:
        return times
    steps = times.diff()
    usual = steps[steps < 1.5 * steps.median()].mean()
    rate = float((steps / usual).round().clamp_min(1).sum() / (times[-1] - times[0]))
    rate = rate / round(rate / RATE) if rate > RATE else rate * round(RATE / rate)
    count = math.ceil(float(times[-1] - times[0]) * rate - 0.01) + 1
    moments = times[0] + torch.arange(count, dtype=times.dtype) / rate
    return times if len(times) == count and torch.allclose(moments, times, rtol=0, atol=0.05 / rate) else moments


def resample_evidence(
    keypoints_px: Float[Tensor, "time point d"],
    box_px: Float[Tensor, "time 4"],
    times: Float[Tensor, "time"],
    moments: Float[Tensor, "moment"],
) -> tuple[Float[Tensor, "moment point d"], Float[Tensor, "moment 4"]]:
    """Keypoints and boxes at other moments: means under a triangular window, keypoints weighted by confidence.

    Confidence is a keypoint's last number.
    The window reaches one step of the sparser of the two timelines to either side, so that equal times change nothing
    and sparser ones are interpolated. A moment without a frame in reach takes the nearest, with confidence 0.
    """
    if torch.equal(times, moments):
        return keypoints_px, box_px
    reach = max(float(steps.diff().median()) for steps in (times, moments) if len(steps) > 1)
    points, boxes = keypoints_px.new_empty(len(moments), *keypoints_px.shape[1:]), box_px.new_empty(len(moments), 4)
    for first in range(0, len(moments), PIECE):
        at = slice(first, first + PIECE)
        points[at], boxes[at] = _resampled(keypoints_px, box_px, times, moments[at], reach)
    return points, boxes


def _resampled(
    keypoints_px: Float[Tensor, "time point d"], box_px: Float[Tensor, "time 4"],
    times: Float[Tensor, "time"], moments: Float[Tensor, "moment"], reach: float,
) -> tuple[Float[Tensor, "moment point d"], Float[Tensor, "moment 4"]]:  # fmt: skip
    """The same for some of the moments, under a window of `reach` seconds to either side."""
    first = torch.searchsorted(times, moments - reach)
    last = torch.searchsorted(times, moments + reach, right=True)
    index = first[:, None] + torch.arange(max(int((last - first).max()), 1))
    inside = index < last[:, None]
    index = index.clamp(max=len(times) - 1)
    weight = (1 - (times[index] - moments[:, None]).abs() / reach).clamp_min(0) * inside
    weight = weight.to(keypoints_px.dtype)
    empty = weight.sum(1) < 1e-6
    weight[empty, 0] = 1.0
    share = weight / weight.sum(1, keepdim=True)
    box = (box_px[index] * share[..., None]).sum(1)
    points = keypoints_px[index]
    sure = share[..., None] * points[..., -1]
    total = sure.sum(1)
    trust = torch.where(total[:, None] > 1e-6, sure, share[..., None].expand_as(sure))
    place = (points[..., :-1] * trust[..., None]).sum(1) / trust.sum(1)[..., None]
    return torch.cat([place, (total * ~empty[:, None])[..., None]], -1), box


LEAST_CROPS = 16
"""For 8-bit ranges and their error."""
CHUNK = 2880
"""Moments of a chunk in the cache."""
STAGE = "motion"
LAYOUT = {
    "rotmat": (None, len(SMPL), 3, 3), "betas": (None, 10), "pelvis": (None, 3), "keypoints_px": (None, 17, 3),
}  # fmt: skip
Features = Float[Tensor, "time 2048"]


@dataclass(frozen=True)
class Timeline:
    """When a network reads a track."""

    times: Float[Tensor, "moment"]
    """Seconds, float64."""
    rows: tuple[slice, ...]
    """The stretches without a gap: rows of the track ..."""
    moments: tuple[slice, ...]
    """... and of what the network says of it."""
    everywhere: bool
    """Whether it speaks for frames without keypoints, too."""


class TrackPrediction:
    """What a network says of a whole track, computed when it is asked for, with one chunk at a time in memory."""

    def __init__(self, timeline: Timeline, chunks: Chunks) -> None:
        self.timeline = timeline
        self._chunks = chunks
        self._shapes: tuple[Tensor, Tensor] | None = None

    def part(self, span: slice) -> Prediction:
        """Some of the moments."""
        found = rows_of(self._chunks, CHUNK, span)
        return Prediction(SmplParams(found["rotmat"], found["betas"], found["pelvis"]), found["keypoints_px"])

    @property
    def whole(self) -> Prediction:
        """All moments."""
        return self.part(slice(0, len(self.timeline.times)))

    @property
    def shapes(self) -> tuple[Float[Tensor, "moment 10"], Float[Tensor, "moment"]]:
        """The network's betas of every moment, and the mean confidence of its keypoints; they stay in memory."""
        if self._shapes is None:
            chunks = map(self._chunks.__getitem__, range(len(self._chunks)))
            parts = [(chunk["betas"], chunk["keypoints_px"][..., 2].mean(-1)) for chunk in chunks]
            betas, sure = (torch.cat(each) for each in zip(*parts, strict=True))
            self._shapes = betas, sure
        return self._shapes


def predict_track(
    track: Track, times: Float[Tensor, "time"], camera: Camera, network: Network, body: Body,
    features: Callable[[slice], Features] | None = None, stages: StageCache | None = None, person: int | str = 0,
) -> TrackPrediction:  # fmt: skip
    """What the network says of a track whose frames are at these times (seconds), its evidence as a pinhole sees it.

    `features` gives those of some of its rows, for a network that reads pictures; chunks of a long track go to the
    cache under the person's number.
    """
    line, track = timeline(times, network), undistort_track(track, camera)
    if network.evidence == "images":
        assert features is not None, "this network reads features"
        pieces = partial(_of_features, track, line, camera, network, features, body)
    else:
        pieces = partial(_of_keypoints, track, times, line, camera, network, body)

    def compute(first: int) -> Iterator[Piece]:
        for each in pieces(first):
            yield {**vars(each.smpl), "keypoints_px": each.keypoints_px}, {}

    chunks = chunked(stages or StageCache(), STAGE, str(person), len(line.times), CHUNK, LAYOUT, compute)
    return TrackPrediction(line, chunks)


def timeline(times: Float[Tensor, "time"], network: Network) -> Timeline:
    """The moments at which a track with frames at these times (seconds) is read."""
    spans = tuple(stretches(times))
    if network.evidence == "images":
        return Timeline(times, spans, spans, True)
    even = [even_times(times[span]) for span in spans]
    ends = list(accumulate((len(each) for each in even), initial=0))
    return Timeline(torch.cat(even), spans, tuple(slice(*ends_of) for ends_of in pairwise(ends)), False)


@torch.no_grad()
def _of_keypoints(
    track: Track, times: Float[Tensor, "time"], line: Timeline, camera: Camera, network: Network, body: Body,
    first: int = 0,
) -> Iterator[Prediction]:  # fmt: skip
    """What the keypoint network says, piece by piece, from the moment number `first` on."""
    known, device = knows_shapes(network, body), next(network.model.parameters()).device
    for rows, at in zip(line.rows, line.moments, strict=True):
        if at.stop <= first:
            continue
        points, box_px = _evidence(track, rows, times, line.times[at])
        keypoints_px = points[..., [0, 1, 5]]

        def look(span: slice, points: Tensor = points, box_px: Tensor = box_px) -> Observation:
            return _observed(points[span], box_px[span], camera, device)

        place = max(first - at.start, 0)
        for said in predict_pieces(network.model, look, at.stop - at.start, network.window, place):
            span = slice(place, place + len(said.betas))
            smpl = _placed(_to_cpu(said), box_px[span], camera)
            smpl = smpl if known else replace(smpl, betas=torch.zeros_like(smpl.betas))
            yield Prediction(smpl, keypoints_px[span, : len(COCO)])
            place = span.stop


def _evidence(
    track: Track, rows: slice, times: Float[Tensor, "time"], moments: Float[Tensor, "moment"]
) -> tuple[Float[Tensor, "moment 27 6"], Float[Tensor, "moment 4"]]:
    """What the keypoint network reads of some rows of a track, and the boxes, at even moments; times of all rows."""
    landmarks = None if track.landmarks is None else track.landmarks[rows]
    points = detected_points(track.keypoints_px[rows], landmarks)
    return resample_evidence(points, track.box_px[rows], times[rows], moments)


def _observed(
    points: Float[Tensor, "moment 27 6"], box_px: Float[Tensor, "moment 4"], camera: Camera, device: torch.device
) -> Observation:
    seen = observe(points[..., [0, 1, 5]], box_px, camera.K_px, points[..., 2:5])
    return Observation(*(each.to(device) for each in vars(seen).values()))


@torch.no_grad()
def predict_together(
    tracks: Sequence[Track], times: Sequence[Float[Tensor, "_"]], camera: Camera, network: Network, body: Body,
    now: float,
) -> list[tuple[Float[Tensor, "_"], Prediction]]:  # fmt: skip
    """Of each track the stretch in which the time `now` lies: its moments, and what the network says of them.

    Times are seconds; tracks are no longer than the network's window. Each gets what `predict_track` says of it, but
    stretches of equal length are read at once: what takes time is fetching the weights.
    """
    known, device = knows_shapes(network, body), next(network.model.parameters()).device
    seen = []
    for track, at in zip((undistort_track(track, camera) for track in tracks), times, strict=True):
        line = timeline(at, network)
        n = max(n for n, span in enumerate(line.moments) if line.times[span.start] <= now + 1e-6)
        moments = line.times[line.moments[n]]
        assert len(moments) <= network.window, "a longer track is read in windows, by predict_track"
        seen.append((moments, *_evidence(track, line.rows[n], at, moments)))
    found: dict[int, Prediction] = {}
    for length in dict.fromkeys(len(moments) for moments, _, _ in seen):
        alike = [n for n, (moments, _, _) in enumerate(seen) if len(moments) == length]
        observed = [vars(_observed(seen[n][1], seen[n][2], camera, device)).values() for n in alike]
        said = _to_cpu(_both_sides(network.model, Observation(*map(torch.stack, zip(*observed, strict=True)))))
        said = replace(said, rotmat=cast(Tensor, roma.special_procrustes(said.rotmat)))
        for n, each in zip(alike, zip(*vars(said).values(), strict=True), strict=True):
            _, points, box_px = seen[n]
            smpl = _placed(GeneratorOutput(*each), box_px, camera)
            smpl = smpl if known else replace(smpl, betas=torch.zeros_like(smpl.betas))
            found[n] = Prediction(smpl, points[:, : len(COCO), [0, 1, 5]])
    return [(moments, found[n]) for n, (moments, _, _) in enumerate(seen)]


@torch.no_grad()
def _of_features(
    track: Track, line: Timeline, camera: Camera, network: Network, features: Callable[[slice], Features], body: Body,
    wanted: int = 0,
) -> Iterator[Prediction]:  # fmt: skip
    """What the picture network says, piece by piece, of features that are asked for when it is their turn.

    The published system's rotations stay as they are; its weak camera is placed in space by the crop's own rays. The
    network remembers what it has seen of a stretch, so that all of the one with the first moment `wanted` is read.
    """
    place, known = next(network.model.parameters()), knows_shapes(network, body)
    for rows in line.rows:
        first = rows.start
        if rows.stop <= wanted:
            continue

        def of_these(span: slice, start: int = first) -> Features:
            return features(slice(start + span.start, start + span.stop)).to(place)

        for said in map(_to_cpu, run_generator(network.model, of_these, rows.stop - first)):
            at = slice(max(first, wanted), first + len(said.betas))
            if at.start < at.stop:
                rotmat, betas, weak = (each[at.start - first :] for each in vars(said).values())
                betas = betas if known else torch.zeros_like(betas)
                origin = cameras.translation_from_weak(weak, track.box_px[at], camera.K_px)
                pelvis = origin + rest_joints(body, betas)[:, 0]
                yield Prediction(SmplParams(rotmat, betas, pelvis), track.keypoints_px[at])
            first = at.stop


def predict_pieces(
    model: VIBE, look: Callable[[slice], Observation], frames: int, window: int, first: int = 0
) -> Iterator[GeneratorOutput]:
    """The keypoint network's answer for a track of any length, averaged with that for the mirrored evidence.

    It comes piece by piece, from the frame number `first` on, of evidence that is read window by window. Tracks longer
    than `window` are read in windows, each of which shares half with the next, the last one more, and fades into it.
    """

    def read(span: slice) -> Mapping[str, Tensor]:
        with one_thread():
            return vars(_both_sides(model, look(span)))

    for mean in overlap_add(half_overlapping(frames, window), read, triangle(min(window, frames)), first):
        rotmat = cast(Tensor, roma.special_procrustes(mean["rotmat"]))
        yield GeneratorOutput(rotmat, mean["betas"], mean["pred_cam"])


def _both_sides(model: VIBE, observation: Observation) -> GeneratorOutput:
    """The mean of the straight and the mirrored reading, of one track or several; of rotations it is not one itself."""
    other = mirror_observation(observation)
    both = model(Observation(*map(torch.stack, zip(vars(observation).values(), vars(other).values(), strict=True))))
    flipped = both.pred_cam[1] * both.pred_cam.new_tensor([1.0, -1.0, 1.0])
    return GeneratorOutput(
        (both.rotmat[0] + mirror_rotmat(both.rotmat[1])) / 2, both.betas.mean(0), (both.pred_cam[0] + flipped) / 2
    )


def _placed(said: GeneratorOutput, box_px: Float[Tensor, "time 4"], camera: Camera) -> SmplParams:
    """From the view that looks at the crop's middle to the camera's."""
    R_crop_cam, _, half_side = cameras.crop_view(box_px, camera.K_px)
    depth = cameras.depth_from_scale(said.pred_cam[:, 0].clamp_min(0.05), half_side)
    pelvis_crop = torch.stack([said.pred_cam[:, 1], said.pred_cam[:, 2], depth], -1)
    pelvis_cam = (R_crop_cam.mT @ pelvis_crop[..., None])[..., 0]
    return SmplParams(turn_root(R_crop_cam.mT, said.rotmat), said.betas, pelvis_cam)


def _to_cpu(said: GeneratorOutput) -> GeneratorOutput:
    return GeneratorOutput(said.rotmat.cpu(), said.betas.cpu(), said.pred_cam.cpu())


def feature_extractor(
    network: Network, config: EstimatorConfig, clip: Clip, tracks: Sequence[Track], stages: StageCache
) -> tuple[ReadFeatures | None, list[str]]:
    """What makes features of this video's crops, and remarks on it: in 8 bits, how far it is off."""
    if not config.int8 or network.extractor is None:
        return network.extractor, []
    made = cache(partial(in_eight_bits, network.extractor, clip, tracks, config.runtime))
    _, about = stages.stored("evidence", "about", lambda: ({}, {"remarks": made()[1]}))
    return lambda crops: made()[0](crops), about["remarks"]


def in_eight_bits(
    extractor: ReadFeatures, clip: Clip, tracks: Sequence[Track], runtime: str
) -> tuple[ReadFeatures, list[str]]:
    """The image network in 8-bit integers, and a remark that says how far off its features are.

    The ranges are set by crops of the video itself; with fewer than `LEAST_CROPS` floats stay. Raises ImportError
    without the runtime.
    """
    from vibe.features.extractor import Extractor
    from vibe.features.onnx_graph import eight_bit

    crops = sample_crops(clip.path, tracks)
    if not isinstance(extractor, Extractor) or len(crops) < LEAST_CROPS:
        return extractor, [f"features in 8 bits need {LEAST_CROPS} crops or more of people: floats were used"]
    found = eight_bit(extractor, crops, runtime)
    remark = f"features in 8 bits differ from those in floats by {found.error:.1%} of their size, and by "
    remark += f"{found.error_of_spread:.0%} of what tells one crop from another ({len(crops)} crops)"
    return found.read, [remark]


def sample_crops(path: Path, tracks: Sequence[Track], count: int = 64) -> UInt8[ndarray, "crop 224 224 3"]:
    """Crops of people, evenly spread over all frames in which somebody is."""
    from vibe.features.extractor import SIDE, cut

    places = [(int(frame), box) for track in tracks for frame, box in zip(track.frames, track.box_px, strict=True)]
    wanted: defaultdict[int, list[Tensor]] = defaultdict(list)
    for index, box_px in places[:: max(1, len(places) // count)]:
        wanted[index].append(box_px)
    crops = [np.empty((0, SIDE, SIDE, 3), np.uint8)]
    with open_video(path) as video:
        for frame in video:
            if boxes := wanted.pop(frame.index, None):
                crops.append(cut(frame.rgb, torch.stack(boxes)))
            if not wanted:
                break
    return np.concatenate(crops)
