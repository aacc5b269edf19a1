"""From what a network says of a person to their motion: refined, smoothed, at the video's own times.

A long track is finished in sections, so that an hour takes no more memory than a minute but for the motion itself. The
section with the most evidence sets the shape; neighbours share some seconds, over which the one fades into the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial

import roma
import torch
from jaxtyping import Float
from torch import Tensor

from vibe import cameras
from vibe.body.marks import joints_and_keypoints
from vibe.body.pose import joints as posed_joints
from vibe.body.record import Body
from vibe.body.shape import rest_joints
from vibe.method import energies
from vibe.motion import Motion
from vibe.pages import Pages
from vibe.reading import Answer, Reading
from vibe.records import Camera, Clip, Track
from vibe.refine.fitting import Fitting
from vibe.refine.one_euro import OneEuro
from vibe.refine.priors import Energy
from vibe.refine.smooth import SMOOTHING, Smoothing, close_gaps, one_shape, smooth
from vibe.refine.smplify import fit, ramp
from vibe.refine.translation import solve_translation

SECTION = 3000
"""Moments that are finished at once, the last ones of which are ..."""
SHARED = 120
"""... those with which the next section begins."""


def sections(count: int) -> list[slice]:
    """Moments of each section of a track."""
    if count <= SECTION:
        return [slice(0, count)]
    return [slice(start, min(start + SECTION, count)) for start in range(0, count - SHARED, SECTION - SHARED)]


@dataclass(frozen=True)
class Fitted:
    """A section after the fit, before it is smoothed."""

    rotmat: Float[Tensor, "moment 24 3 3"]
    betas: Float[Tensor, "*m 10"]
    trans: Float[Tensor, "moment 3"]
    confidence: Float[Tensor, "moment"]


Memory = Callable[[int, Callable[[], Fitted]], Fitted]
"""Gives a section by its number if it is known from before, or else computes it."""


@dataclass(frozen=True)
class Sections:
    """One person's fit, section by section, each when it is asked for."""

    reading: Reading | Pages
    camera: Camera
    body: Body
    fitting: Fitting | None
    terms: Mapping[str, Energy]
    whole: bool
    """Whether one shape is to hold for the whole track."""
    memory: Memory

    @cached_property
    def spans(self) -> list[slice]:
        """Moments of each section."""
        return sections(len(self.reading.times))

    @cached_property
    def best(self) -> int:
        """The section that holds the window with the most evidence."""
        sure, window = self.reading.confidence, self.fitting.window if self.fitting else SECTION
        most = [sure[span].unfold(0, min(window, span.stop - span.start), 1).sum(-1).max() for span in self.spans]
        return max(range(len(most)), key=most.__getitem__)

    @cached_property
    def start(self) -> Float[Tensor, "10"]:
        """The shape from which the best section starts."""
        return one_shape(self.reading.betas, self.reading.confidence)

    @cached_property
    def lead(self) -> Fitted:
        """The best section, which sets the shape."""
        return self._remembered(self.best)

    def fitted(self, number: int) -> Fitted:
        """A section."""
        return self.lead if "lead" in vars(self) and number == self.best else self._remembered(number)

    def _remembered(self, number: int) -> Fitted:
        return self.memory(number, partial(self._fit, number)) if self.fitting else self._fit(number)

    def _fit(self, number: int) -> Fitted:
        span = self.spans[number]
        part, times = self.reading.part(span), self.reading.times[span]
        rotmat, betas, trans, confidence = part.rotmat, part.betas, part.trans, part.confidence
        if not self.reading.everywhere:
            rotmat, trans = close_gaps(rotmat, trans, times, confidence > 0)
        held = self.fitting is not None and len(self.spans) > 1 and number != self.best
        if self.whole:
            betas = self.lead.betas if held else self.start
        if self.fitting:
            rotmat, betas, trans = refine_track(
                replace(part, rotmat=rotmat, trans=trans), betas, times, self.camera, self.body, self.fitting,
                self.terms, held,
            )  # fmt: skip
        return Fitted(rotmat, betas, trans, confidence)


def finish_track(
    track: Track, reading: Reading | Pages, clip: Clip, camera: Camera, body: Body,
    smoothing: Smoothing | OneEuro, fitting: Fitting | None, terms: Mapping[str, Energy] | None = None,
    memory: Memory = lambda number, compute: compute(),
) -> Motion:  # fmt: skip
    """One person's motion at the frames of their track: refined, smoothed, and brought to the video's own times."""
    whole = bool(fitting) or smoothing != SMOOTHING["none"] or not reading.everywhere
    fits = Sections(reading, camera, body, fitting, terms or energies(), whole, memory)
    times = clip.timestamps[track.frames]
    finished: dict[str, Tensor] = {}
    motion = None
    for rows, rotmat, betas, trans in _faded(_smoothed(fits, times, smoothing)):
        here = Track(track.frames[rows], track.box_px[rows], track.keypoints_px[rows])
        motion = to_motion(rotmat, betas, trans, here, times[rows], camera, body)
        if rows == slice(0, len(times)):
            return motion
        for name in MADE:
            part = getattr(motion, name)
            if name == "betas" and part.ndim == 1:
                continue
            finished.setdefault(name, part.new_empty(len(times), *part.shape[1:]))[rows] = part
    assert motion is not None, "a track has frames"
    return replace(
        motion, **finished, frames=track.frames, times=times, box_px=track.box_px, keypoints_px=track.keypoints_px,
        confidence=track.confidence,
    )  # fmt: skip


MADE = ("global_orient", "body_pose", "betas", "trans", "pred_cam", "joints_cam", "joints_px")
"""What of a motion is not in the track already."""
Piece = tuple[slice, Float[Tensor, "time 24 3 3"], Float[Tensor, "*t 10"], Float[Tensor, "time 3"]]
"""Rows of the track, and their rotations, shape and pelvis."""


def _smoothed(sections: Sections, times: Float[Tensor, "time"], smoothing: Smoothing | OneEuro) -> Iterator[Piece]:
    """Each section at the frames of the track within it."""
    for number, span in enumerate(sections.spans):
        fitted, parts, betas = sections.fitted(number), [], []
        within = _within(sections.reading, span, times)
        for rows, at in within:
            here = slice(at.start - span.start, at.stop - span.start)
            moving = fitted.rotmat[here], fitted.trans[here], sections.reading.times[at], times[rows]
            parts.append(smooth(*moving, smoothing, fitted.confidence[here]))
            betas.append(fitted.betas if fitted.betas.ndim == 1 else fitted.betas[here])
        rotmat, trans = (torch.cat(each) for each in zip(*parts, strict=True))
        shape = betas[0] if betas[0].ndim == 1 else torch.cat(betas)
        yield slice(within[0][0].start, within[-1][0].stop), rotmat, shape, trans


def _within(reading: Reading | Pages, span: slice, times: Float[Tensor, "time"]) -> list[tuple[slice, slice]]:
    """For each stretch of the track in a section, the rows and the moments that belong to it."""
    found = []
    for rows, at in zip(reading.frames, reading.moments, strict=True):
        low, high = max(at.start, span.start), min(at.stop, span.stop)
        if low >= high:
            continue
        known, first, last = times[rows], rows.start, rows.stop
        if low > at.start:
            first += int(torch.searchsorted(known, reading.times[low]))
        if high < at.stop:
            last = rows.start + int(torch.searchsorted(known, reading.times[high - 1], right=True))
        if first < last:
            found.append((slice(first, last), slice(low, high)))
    return found


def _faded(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """The pieces without the rows that they share, over which one fades into the next."""
    rows, rotmat, betas, trans = next(pieces)
    for new_rows, new_rotmat, new_betas, new_trans in pieces:
        first, shared = new_rows.start - rows.start, rows.stop - new_rows.start
        yield slice(rows.start, new_rows.start), rotmat[:first], _rows_of(betas, slice(None, first)), trans[:first]
        share = ramp(2 * shared, shared)[:shared]
        old, new = rotmat[first:], new_rotmat[:shared]
        turn = share[:, None, None] * roma.rotmat_to_rotvec(old.mT @ new)
        mixed = torch.where((old == new).all(-1).all(-1)[..., None, None], old, old @ roma.rotvec_to_rotmat(turn))
        rotmat = torch.cat([mixed, new_rotmat[shared:]])
        trans = torch.cat([torch.lerp(trans[first:], new_trans[:shared], share[:, None]), new_trans[shared:]])
        rows, betas = new_rows, new_betas
    yield rows, rotmat, betas, trans


def _rows_of(betas: Float[Tensor, "*t 10"], rows: slice) -> Float[Tensor, "*t 10"]:
    return betas if betas.ndim == 1 else betas[rows]


def refine_track(
    part: Answer, betas: Float[Tensor, "10"], times: Float[Tensor, "moment"], camera: Camera, body: Body,
    fitting: Fitting, terms: Mapping[str, Energy], held: bool = False,
) -> tuple[Float[Tensor, "moment 24 3 3"], Float[Tensor, "10"], Float[Tensor, "moment 3"]]:  # fmt: skip
    """The body placed where its keypoints are seen, then fitted to them over time; `held` keeps its shape."""
    with torch.no_grad():
        joints, keypoints = joints_and_keypoints(body, part.rotmat, betas, "detected17")
        trans = solve_translation(keypoints - joints[:, :1], part.keypoints_px, camera.K_px, times, part.trans)
    points = partial(joints_and_keypoints, body, points=fitting.points)
    return fit(part.rotmat, betas, trans, part.keypoints_px, camera.K_px, times, points, fitting, terms, held)


def to_motion(
    rotmat: Float[Tensor, "time 24 3 3"], betas: Float[Tensor, "*t 10"], trans: Float[Tensor, "time 3"],
    track: Track, times: Float[Tensor, "time"], camera: Camera, body: Body,
) -> Motion:  # fmt: skip
    """The record of a finished motion: axis-angle, weak camera of each box, joints in space and in the picture."""
    pelvis = rest_joints(body, betas)[..., 0, :]
    joints = posed_joints(body, rotmat, betas) - pelvis[..., None, :] + trans[:, None]
    rotvec = roma.rotmat_to_rotvec(rotmat)
    return Motion(
        frames=track.frames,
        times=times,
        box_px=track.box_px,
        global_orient=rotvec[:, 0],
        body_pose=rotvec[:, 1:].flatten(1),
        betas=betas,
        trans=trans,
        pred_cam=cameras.weak_from_translation(trans - pelvis, track.box_px, camera.K_px),
        joints_cam=joints,
        joints_px=cameras.project(joints, camera.K_px),
        keypoints_px=track.keypoints_px,
        confidence=track.confidence,
        body=body.origin,
    )
