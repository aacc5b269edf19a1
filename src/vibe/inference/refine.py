"""From what a network says of a person to their motion: placed, fitted, smoothed, at the video's own times.

Long tracks are fitted in sections, so that an hour takes no more memory than a minute but for the motion itself. The
section with the most evidence sets the shape; neighbours share some seconds, over which they fade into each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from vibe.body.keypoint_regressor import joints_and_keypoints
from vibe.body.pose import rest_planes, shape_of_height, turn_root
from vibe.body.record import Body
from vibe.cache import Chunks, Piece, StageCache
from vibe.distortion import undistort_track
from vibe.inference.config import Refinement
from vibe.inference.predict import Timeline, TrackPrediction, resample_evidence
from vibe.motion import Motion
from vibe.motion.tensors import to_motion
from vibe.overlap import cross_fade, fixed_spans
from vibe.records import Camera, Clip, Prediction, SmplParams, Track, ViewEvidence
from vibe.refine.energies import Energy
from vibe.refine.presets import SMOOTHING, Fitting, OneEuro, Smoothing
from vibe.refine.smooth import close_gaps, one_shape, smooth
from vibe.refine.smplify import fit, unhedged
from vibe.refine.translation import place_pelvis
from vibe.rotations import interpolate
from vibe.skeletons import SMPL

SECTION = 3000
"""Moments that are fitted at once, the last ones of which are ..."""
SHARED = 120
"""... those with which the next section begins."""
STAGE = "refinement"
LAYOUT = {"rotmat": (None, len(SMPL), 3, 3), "betas": (10,), "pelvis": (None, 3)}
Steady = Callable[[Tensor], "Tensor | None"]
"""R_steady_cam at some times; None where the camera does not tremble."""
Ticks = Callable[[int], None]
"""Told of so many more moments that are done."""


def refine_track(
    track: Track, predicted: TrackPrediction, clip: Clip, camera: Camera, body: Body, how: Refinement,
    cache: StageCache | None = None, person: int | str = 0, tick: Ticks = lambda moments: None,
    pool: Executor | None = None, R_steady_cam: Float[Tensor, "frame 3 3"] | None = None,
    others: Sequence[ViewEvidence] = (),
) -> Motion:  # fmt: skip
    """One person's motion at the frames of their track.

    `R_steady_cam` is of each frame of a clip whose camera trembles: the person is smoothed as a steady one sees them.
    `others` is what other cameras saw at all moments of the prediction.
    Fitted sections go to the cache under the person's number; `pool` has threads for the windows of a fit, which has
    its own otherwise.
    """
    times = clip.timestamps[track.frames]
    straight = undistort_track(track, camera)

    def seen(span: slice) -> tuple[Tensor | None, list[ViewEvidence]]:
        return landmarks_at(straight, times, predicted.timeline, span), [view.at(span) for view in others]

    steady = partial(_rotations_at, R_steady_cam, clip.timestamps)
    sections = _sections(predicted, seen, camera, body, how, cache or StageCache(), person, tick, pool, steady)
    rotmat, pelvis = torch.empty(len(times), len(SMPL), 3, 3), torch.empty(len(times), 3)
    betas: list[Tensor] = []
    for rows, part in cross_fade(_smoothed(sections, predicted.timeline, times, how.smoothing, steady)):
        rotmat[rows], pelvis[rows] = part.rotmat, part.pelvis
        betas.append(part.betas)
    shape = betas[0] if betas[0].ndim == 1 else torch.cat(betas)
    motion = to_motion(SmplParams(rotmat, shape, pelvis), track, times, camera, body)
    if how.fitting is None or not how.fitting.grounded or predicted.timeline.everywhere:
        return motion  # deviations are fitted to errors of our own fit of what networks say of keypoints
    from vibe.inference.uncertainty import motion_std

    return replace(motion, joints_std=motion_std(motion, straight, predicted, camera, body, others))


def _sections(
    predicted: TrackPrediction, evidence: Callable[[slice], tuple[Tensor | None, list[ViewEvidence]]], camera: Camera,
    body: Body, how: Refinement, cache: StageCache, person: int | str, tick: Ticks, pool: Executor | None,
    steady: Steady,
) -> Iterator[tuple[slice, Prediction]]:  # fmt: skip
    """Moments of each section in turn and what is known there: fitted, or as the network says."""
    spans = fixed_spans(len(predicted.timeline.times), SECTION, SHARED)
    steps = [after.start - span.start for span, after in zip(spans, [*spans[1:], slice(spans[-1].stop, None)])]
    shape, growth = _shape(predicted, body, how)
    if how.fitting is None:
        for span, step in zip(spans, steps, strict=True):
            yield span, _placed(predicted, span, shape, growth)
            tick(step)
        return
    fitting, done = how.fitting, set[int]()
    best = _best_section(predicted.shapes[1], spans, fitting.window)

    def compute(number: int) -> Iterator[Piece]:
        nonlocal shape
        for at in range(number, len(spans)):
            part = _placed(predicted, spans[at], shape, growth)
            if fitting.hedging and not predicted.timeline.everywhere:
                part = replace(part, smpl=replace(part.smpl, rotmat=unhedged(part.smpl.rotmat, fitting.hedging)))
            times = predicted.timeline.times[spans[at]]
            seen = evidence(spans[at])
            held = at != best or how.height_m is not None
            smpl = _fitted(part, *seen, times, camera, body, fitting, how.energies, held, pool, steady(times))
            shape = smpl.betas
            yield vars(smpl), {}
            tick(steps[at])
            done.add(at)

    chunks = Chunks(cache, STAGE, str(person), [span.stop - span.start for span in spans], LAYOUT, compute)
    if len(spans) > 1:
        shape = chunks[best]["betas"]
    for number, span in enumerate(spans):
        yield span, Prediction(SmplParams(**chunks[number]), predicted.part(span).keypoints_px)
        if number not in done:
            tick(steps[number])


def _shape(predicted: TrackPrediction, body: Body, how: Refinement) -> tuple[Float[Tensor, "10"] | None, float]:
    """The mean of what the network says of a track, as tall as the person is known to be, and how much that enlarges.

    None where each frame keeps its own, as the picture network's own answer does.
    """
    if predicted.timeline.everywhere and how == Refinement(SMOOTHING["none"], None, how.energies):
        return None, 1.0
    betas = one_shape(*predicted.shapes)
    if how.height_m is None:
        return betas, 1.0
    up = rest_planes(body, betas)[1]
    return shape_of_height(body, betas, how.height_m), how.height_m / float(up.max() - up.min())


def _best_section(confidence: Float[Tensor, "moment"], spans: Sequence[slice], window: int) -> int:
    """The section that holds the window with the most evidence."""
    most = [confidence[span].unfold(0, min(window, span.stop - span.start), 1).sum(-1).max() for span in spans]
    return max(range(len(most)), key=most.__getitem__)


def _placed(predicted: TrackPrediction, span: slice, betas: Float[Tensor, "10"] | None, growth: float) -> Prediction:
    """What the network says of a section, with gaps closed, and with one shape, as much larger, where it is given."""
    part, line = predicted.part(span), predicted.timeline
    rotmat, pelvis = part.smpl.rotmat, part.smpl.pelvis
    if not line.everywhere:
        rotmat, pelvis = close_gaps(rotmat, pelvis, line.times[span], part.confidence > 0)
    return replace(part, smpl=SmplParams(rotmat, part.smpl.betas if betas is None else betas, growth * pelvis))


def _fitted(
    part: Prediction, landmarks: Float[Tensor, "moment 33 6"] | None, others: Sequence[ViewEvidence],
    times: Float[Tensor, "moment"], camera: Camera, body: Body, fitting: Fitting, energies: Mapping[str, Energy],
    held: bool, pool: Executor | None, R_steady_cam: Float[Tensor, "moment 3 3"] | None,
) -> SmplParams:  # fmt: skip
    """The body put where its keypoints are seen, then fitted to them over time; `held` keeps its shape."""
    start = replace(part.smpl, pelvis=place_pelvis(part.smpl, part.keypoints_px, camera.K_px, times, body, others))
    points = partial(joints_and_keypoints, body, points=fitting.points)
    evidence = part.keypoints_px, camera.K_px, times
    return fit(start, *evidence, points, fitting, energies, held, pool, landmarks, R_steady_cam, others)


def landmarks_at(
    track: Track, times: Float[Tensor, "time"], line: Timeline, span: slice
) -> Float[Tensor, "moment 33 6"] | None:
    """The pose model's own points at some moments: x, y in pixels; x, y, z in metres; confidence."""
    if track.landmarks is None:
        return None
    points = torch.cat([track.landmarks[..., :5], track.landmarks[..., 5:].prod(-1, keepdim=True)], -1)
    parts = []
    for rows, at in zip(line.rows, line.moments, strict=True):
        moments = line.times[max(at.start, span.start) : min(at.stop, span.stop)]
        if len(moments):
            parts.append(resample_evidence(points[rows], track.box_px[rows], times[rows], moments)[0])
    return torch.cat(parts)


def _smoothed(
    sections: Iterator[tuple[slice, Prediction]], line: Timeline, times: Float[Tensor, "time"],
    smoothing: Smoothing | OneEuro, steady: Steady,
) -> Iterator[tuple[slice, SmplParams]]:  # fmt: skip
    """Rows of the track that each section reaches, and their motion."""
    for span, section in sections:
        parts, within = [], _within(line, span, times)
        for rows, at in within:
            here = slice(at.start - span.start, at.stop - span.start)
            smpl = _turned(section.smpl.at(here), steady(line.times[at]))
            moved = smooth(smpl.rotmat, smpl.pelvis, line.times[at], times[rows], smoothing, section.confidence[here])
            parts.append(_turned(SmplParams(moved[0], smpl.betas, moved[1]), steady(times[rows]), back=True))
        shape = parts[0].betas if parts[0].betas.ndim == 1 else torch.cat([part.betas for part in parts])
        rotmat, pelvis = (torch.cat([getattr(part, name) for part in parts]) for name in ("rotmat", "pelvis"))
        yield slice(within[0][0].start, within[-1][0].stop), SmplParams(rotmat, shape, pelvis)


def _rotations_at(
    R: Float[Tensor, "frame 3 3"] | None, timestamps: Float[Tensor, "frame"], times: Float[Tensor, "moment"]
) -> Float[Tensor, "moment 3 3"] | None:
    """Rotations that are known at time stamps, at other times."""
    if R is None:
        return None
    after = torch.searchsorted(timestamps, times.contiguous()).clamp(1, len(timestamps) - 1)
    low, high = timestamps[after - 1], timestamps[after]
    return interpolate(R[after - 1], R[after], ((times - low) / (high - low)).clamp(0, 1).to(R))


def _turned(smpl: SmplParams, R: Float[Tensor, "moment 3 3"] | None, back: bool = False) -> SmplParams:
    """The parameters in other axes, or back in those before."""
    if R is None:
        return smpl
    R = R.mT if back else R
    return SmplParams(turn_root(R, smpl.rotmat), smpl.betas, (R @ smpl.pelvis[..., None])[..., 0])


def _within(line: Timeline, span: slice, times: Float[Tensor, "time"]) -> list[tuple[slice, slice]]:
    """For each stretch of the track in a section, the rows and the moments that belong to it."""
    found = []
    for rows, at in zip(line.rows, line.moments, strict=True):
        low, high = max(at.start, span.start), min(at.stop, span.stop)
        if low >= high:
            continue
        known, first, last = times[rows], rows.start, rows.stop
        if low > at.start:
            first += int(torch.searchsorted(known, line.times[low]))
        if high < at.stop:
            last = rows.start + int(torch.searchsorted(known, line.times[high - 1], right=True))
        if first < last:
            found.append((slice(first, last), slice(low, high)))
    return found
