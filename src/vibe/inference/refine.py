"""From what a network says of people to their motion: refined, smoothed, at the video's own times."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import replace

import roma
import torch
from jaxtyping import Float
from torch import Tensor

from vibe import cameras
from vibe.body.pose import joints as posed_joints
from vibe.body.pose import rest_joints
from vibe.body.record import Body
from vibe.cache import StageCache
from vibe.inference.config import Method, energies
from vibe.inference.pages import Pages
from vibe.inference.predict import Reading
from vibe.inference.sections import Fitter, Sections
from vibe.motion import Motion
from vibe.parallel import one_thread
from vibe.records import Camera, Clip, Progress, Track
from vibe.refine.energies import Energy
from vibe.refine.fitting import Fitting
from vibe.refine.one_euro import OneEuro
from vibe.refine.smooth import SMOOTHING, Smoothing, smooth
from vibe.refine.smplify import ramp


def finish_all(
    tracks: Sequence[Track], readings: Sequence[Pages], clip: Clip, camera: Camera, method: Method, shelf: StageCache,
    progress: Progress | None,
) -> tuple[Motion, ...]:  # fmt: skip
    """Everybody's motion, several people at once where there are threads for it."""
    total, done, lock, stop = sum(len(reading.times) for reading in readings), 0, threading.Lock(), threading.Event()

    def tell(moments: int) -> None:
        nonlocal done
        if stop.is_set():
            raise InterruptedError("the others stopped")
        with lock:
            done += moments
            if progress:
                progress("motion", done, total)

    def one(person: int, fitter: Fitter) -> Motion:
        track, reading = tracks[person], readings[person]
        whole = _whole(reading, method.fitting, method.smoothing)
        sections = Sections(reading, fitter, whole, shelf, person, tell)
        return _finished(track, sections, clip, camera, method.body, method.smoothing)

    fitter = Fitter(camera, method.body, method.fitting, method.energies)
    threads = torch.get_num_threads() if method.fitting and len(tracks) > 1 else 1
    if threads == 1:
        return tuple(one(person, fitter) for person in range(len(tracks)))
    with one_thread(), ThreadPoolExecutor(threads) as windows, ThreadPoolExecutor(threads) as people:
        waiting = [people.submit(one, person, replace(fitter, pool=windows)) for person in range(len(tracks))]
        try:
            for each in wait(waiting, return_when=FIRST_EXCEPTION).done:
                each.result()
            return tuple(each.result() for each in waiting)
        except BaseException:
            stop.set()
            people.shutdown(wait=False, cancel_futures=True)
            windows.shutdown(wait=False, cancel_futures=True)
            raise


def finish_track(
    track: Track, reading: Reading | Pages, clip: Clip, camera: Camera, body: Body,
    smoothing: Smoothing | OneEuro, fitting: Fitting | None, terms: Mapping[str, Energy] | None = None,
) -> Motion:  # fmt: skip
    """One person's motion at the frames of their track: refined, smoothed, and brought to the video's own times."""
    fitter = Fitter(camera, body, fitting, terms or energies())
    sections = Sections(reading, fitter, _whole(reading, fitting, smoothing))
    return _finished(track, sections, clip, camera, body, smoothing)


def _whole(reading: Reading | Pages, fitting: Fitting | None, smoothing: Smoothing | OneEuro) -> bool:
    """Whether a track gets one shape; the picture network's own answer keeps one a frame."""
    return fitting is not None or smoothing != SMOOTHING["none"] or not reading.everywhere


def _finished(
    track: Track, sections: Sections, clip: Clip, camera: Camera, body: Body, smoothing: Smoothing | OneEuro
) -> Motion:
    """The sections, smoothed and put together."""
    times = clip.timestamps[track.frames]
    made: dict[str, Tensor] = {}
    motion = None
    for rows, rotmat, betas, trans in _faded(_smoothed(sections, times, smoothing)):
        here = Track(track.frames[rows], track.box_px[rows], track.keypoints_px[rows])
        motion = to_motion(rotmat, betas, trans, here, times[rows], camera, body)
        if rows == slice(0, len(times)):
            return motion
        for name in MADE if betas.ndim == 2 else MADE - {"betas"}:
            part = getattr(motion, name)
            made.setdefault(name, part.new_empty(len(times), *part.shape[1:]))[rows] = part
    assert motion is not None, "a track has frames"
    return replace(
        motion, **made, frames=track.frames, times=times, box_px=track.box_px, keypoints_px=track.keypoints_px,
        confidence=track.confidence,
    )  # fmt: skip


MADE = {"global_orient", "body_pose", "betas", "trans", "pred_cam", "joints_cam", "joints_px"}
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
