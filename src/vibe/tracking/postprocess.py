"""From tracklets to finished tracks: linked, cleaned, filled, smoothed, numbered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray as Array

from vibe import cameras, records
from vibe.tracking import appearance, left_right
from vibe.tracking.rows import Rows
from vibe.tracking.tracklets import StoredTracklet, Tracklet, link_tracklets

VISIBLE, LEAST_VISIBLE = 0.3, 6
"""Confidence of a visible keypoint, and how many must be visible for the box around them to be the person's."""
CHUNK = 1000
"""Frames that are cleaned of spikes, or smoothed, at once."""
SUREST = 8
"""Keypoints that decide whether it is a person: as many as are visible of somebody cut off below the chest."""
BODY_IN_REGION = 0.7
"""Height of a person over the side of the pose model's region."""


@dataclass(frozen=True)
class PostprocessConfig:
    """What is done to a track when the clip is over; times in seconds."""

    most_gap: float = 2.0
    """A person out of sight for longer gets a new number."""
    most_filled: float = 0.5
    """Gaps up to here are filled, with confidence 0."""
    least_length: float = 0.5
    """Shorter tracks, gaps not counted, are dropped."""
    least_sure: float = 0.55
    """So are tracks of less confidence, the mean of the surest keypoints."""
    box_sigma: float = 0.1
    """Of the Gaussian that smooths the boxes."""
    spike_window: float = 0.12
    """Half the window of the median that spikes are compared with."""
    spike_least: float = 0.06
    """Least distance of a spike from that median, over the person's size."""


def finish_tracks(
    stretches: Sequence[StoredTracklet],
    rows: Rows,
    times: Float[Array, "frame"],
    config: PostprocessConfig,
    scenes: Sequence[float] = (0.0,),
) -> tuple[list[records.Track], list[str]]:
    """Tracks in order of first appearance, larger people first, and one sentence for each thing dropped.

    `rows` hold the frames of the stretches, one person's at a time is in memory; `times` are those of the whole clip.
    Scenes, each of which begins at one of the times `scenes` (seconds), share no track.
    """
    frame = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    results: list[tuple[tuple[int, float], records.Track | None, str | int]] = []
    scene_of = np.searchsorted(scenes, times, side="right")
    in_scene: dict[int, list[StoredTracklet]] = {}
    for one in stretches:
        in_scene.setdefault(int(np.searchsorted(scenes, one.first.times[0], side="right")), []).append(one)
    chains = [(scene, chain) for scene, each in in_scene.items() for chain in link_tracklets(each, config.most_gap)]
    for scene, chain in chains:
        person = rows.piece([block for one in chain for block in one.blocks])
        place = int(person.frames[0]), -float(np.median(person.region[:, 2]))
        seconds, confidence = (len(person.frames) - 1) * frame, mean_confidence(person)
        dropped = f"a person seen for {seconds:.1f} s at {person.times[0]:.1f} s was dropped: too "
        if seconds < config.least_length - 1e-6 and len(person.frames) < (scene_of == scene).sum():
            results.append((place, None, dropped + "short to follow"))
        elif confidence < config.least_sure:
            results.append((place, None, dropped + f"unsure to be one (confidence {confidence:.2f})"))
        else:
            results.append((place, *tidy_keypoints(person, times, config)))
    tracks, notes = [], []
    if (cuts := len(scenes) - 1) > 0:
        notes.append(
            f"{cuts} cut{'s' if cuts > 1 else ''}: all tracks end there, and whoever is seen after it has a new number"
        )
    for _, track, note in sorted(results, key=lambda result: result[0]):
        if track is None:
            notes.append(str(note))
            continue
        tracks.append(track)
        filled = int((track.confidence == 0).sum())
        notes += _note(len(tracks), int(note), "had left and right exchanged: put right")
        notes += _note(len(tracks), filled, "out of sight were filled in, with confidence 0")
    return tracks, notes


def mean_confidence(piece: Tracklet) -> float:
    """Confidence of the surest keypoints of each frame, on the mean; between 0 and 1."""
    total = 0.0
    for start in range(0, len(piece.frames), CHUNK):
        confidence = piece.keypoints_px[start : start + CHUNK, :, 2]
        total += float(np.partition(confidence, -SUREST, axis=-1)[:, -SUREST:].mean(-1).sum())
    return total / len(piece.frames)


def fill_gaps(
    piece: Tracklet, times: Float[Array, "frame"], max_gap: float
) -> tuple[Int[Array, "_"], Float[Array, "_ 17 3"]]:
    """Frames and keypoints with gaps of up to `max_gap` seconds filled linearly, at confidence 0."""
    gaps = np.diff(piece.times)
    wanted = [
        np.arange(start, stop) if gap <= max_gap else np.array([start])
        for start, stop, gap in zip(piece.frames[:-1], piece.frames[1:], gaps, strict=True)
    ]
    frames = np.concatenate([*wanted, piece.frames[-1:]])
    flat = piece.keypoints_px.reshape(len(piece.frames), -1)
    filled = np.empty((len(frames), flat.shape[1]), flat.dtype)
    for column in range(flat.shape[1]):
        filled[:, column] = np.interp(times[frames], piece.times, flat[:, column])
    filled = filled.reshape(-1, 17, 3)
    filled[~np.isin(frames, piece.frames), :, 2] = 0
    return frames, filled


def find_spikes(
    keypoints_px: Float[Array, "time 17 3"], times: Float[Array, "time"], window: float, least: float
) -> Bool[Array, "time 17"]:
    """Keypoints that jump away from where the frames before and after put them (Hampel's rule about a steady motion).

    The expected place is the median of the points halfway between earlier and later frames, up to `window` seconds.
    """
    spiked = np.zeros(keypoints_px.shape[:2], bool)
    margin = 3 * _reach(times, window) + 3
    for start in range(0, len(times), CHUNK):
        wide = slice(max(start - margin, 0), start + CHUNK + margin)
        part = _spikes(keypoints_px[wide], times[wide], window, least, _reach(times, window))
        spiked[start : start + CHUNK] = part[start - wide.start :][:CHUNK]
    return spiked


def _spikes(keypoints_px: Array, times: Array, window: float, least: float, reach: int) -> Array:
    """`find_spikes` of a part, with windows of `reach` frames."""
    points, count = keypoints_px[..., :2], len(times)
    halfway = np.full((max(reach, 1), count, 17, 2), np.nan)
    for k in range(1, min(len(halfway), (count - 1) // 2) + 1):
        before, now, after = times[: -2 * k], times[k:-k], times[2 * k :]
        part = np.where(after - before <= 2 * window + 1e-6, (now - before) / (after - before), np.nan)[:, None, None]
        halfway[k - 1, k:-k] = points[: -2 * k] * (1 - part) + points[2 * k :] * part
    known = np.isfinite(halfway).any((0, 2, 3))
    away = np.zeros((count, 17))
    away[known] = np.linalg.norm(points[known] - np.nanmedian(halfway[:, known], axis=0), axis=-1)
    near, valid = _neighbours(times, min(2 * reach, count - 1), 2 * window)
    usual = np.nanmedian(np.where(valid[..., None], away[near], np.nan), axis=1)
    return (away > 4 * usual) & (away > least * appearance.size_px(keypoints_px)[:, None])


def smooth_keypoints(
    values: Float[Array, "time n"], times: Float[Array, "time"], sigma: float
) -> Float[Array, "time n"]:
    """Local straight lines under a Gaussian of `sigma` seconds: no lag, and a steady motion stays as it is."""
    reach, smoothed = _reach(times, 3 * sigma), np.empty(values.shape)
    for start in range(0, len(times), CHUNK):
        wide = slice(max(start - reach, 0), start + CHUNK + reach)
        part = _smooth(values[wide], times[wide], sigma, reach)
        smoothed[start : start + CHUNK] = part[start - wide.start :][:CHUNK]
    return smoothed


def _smooth(values: Array, times: Array, sigma: float, reach: int) -> Array:
    """`smooth_keypoints` of a part, with windows of `reach` frames."""
    near, valid = _neighbours(times, min(reach, len(times) - 1), 3 * sigma)
    offset = times[near] - times[:, None]
    weight = np.exp(-((offset / sigma) ** 2) / 2) * valid
    weight /= weight.sum(1, keepdims=True)
    mean_time = (weight * offset).sum(1, keepdims=True)
    mean = np.einsum("tk,tkn->tn", weight, values[near])
    lever = weight * (offset - mean_time)
    spread = (lever * offset).sum(1, keepdims=True)
    slope = np.einsum("tk,tkn->tn", lever, values[near]) / np.maximum(spread, 1e-12)
    return np.where(spread > 1e-9, mean - slope * mean_time, mean)


def _reach(times: Array, window: float) -> int:
    """Frames on each side that a window can hold."""
    if len(times) < 2:
        return 0
    return min(len(times) - 1, max(1, int(np.ceil(window / max(np.median(np.diff(times)), 1e-3)))))


def _neighbours(times: Array, reach: int, window: float) -> tuple[Array, Array]:
    """Rows around each row, and which of them exist and lie within the window."""
    near = np.arange(len(times))[:, None] + np.arange(-reach, reach + 1)
    inside = (near >= 0) & (near < len(times))
    near = near.clip(0, len(times) - 1)
    return near, inside & (np.abs(times[near] - times[:, None]) <= window + 1e-6)


def _note(number: int, frames: int, what: str) -> list[str]:
    """A sentence about a person's frames; none for no frame."""
    return [f"person {number}: {frames} frame{'s' if frames > 1 else ''} {what}"] if frames else []


def tidy_keypoints(
    person: Tracklet, times: Float[Array, "frame"], config: PostprocessConfig
) -> tuple[records.Track, int]:
    """One finished track, and in how many frames left and right were exchanged; `times` are those of all frames."""
    cleaned = left_right.correct_left_right(person.keypoints_px, person.times)
    flipped = int((cleaned != person.keypoints_px).any((1, 2)).sum())
    spiked = find_spikes(cleaned, person.times, config.spike_window, config.spike_least)
    cleaned[..., 2] = np.where(spiked, 0.1 * cleaned[..., 2], cleaned[..., 2])
    frames, keypoints = fill_gaps(
        Tracklet(person.frames, person.times, cleaned, person.region), times, config.most_filled
    )
    box = _boxes(cleaned, person)
    box = smooth_keypoints(box, person.times, config.box_sigma)
    box = np.stack([np.interp(times[frames], person.times, column) for column in box.T], -1)
    track = records.Track(torch.from_numpy(frames), torch.from_numpy(box).float(), torch.from_numpy(keypoints).float())
    return track, flipped


def _boxes(cleaned: Array, person: Tracklet) -> Array:
    """A box for each frame; where too little of the person is visible, it is interpolated."""
    box = cameras.box_from_keypoints(torch.from_numpy(cleaned)).numpy().astype(float)
    around = person.region[:, [0, 1, 2, 2]] * (1, 1, BODY_IN_REGION, BODY_IN_REGION)
    visible = (cleaned[..., 2] >= VISIBLE).sum(-1) >= LEAST_VISIBLE
    if not visible.any():
        return around
    size = box[visible, 2:].max(-1) / around[visible, 2]
    near = np.stack(
        [np.interp(person.times, person.times[visible], column) for column in (size, *box[visible, 2:].T)], -1
    )
    share = near[:, 1:] / near[:, 1:].max(-1, keepdims=True) * near[:, :1]
    unseen = np.concatenate([around[:, :2], around[:, 2:] * share], -1)
    return np.where(visible[:, None], box, unseen)
