"""From tracklets to finished tracks: linked, exchanged sides undone, filled, smoothed, numbered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray as Array
from scipy.ndimage import median_filter

from vibe import cameras, records, skeletons
from vibe.tracking import appearance
from vibe.tracking.frames import with_frames_between
from vibe.tracking.rows import Rows
from vibe.tracking.tracklets import SHORT, StoredTracklet, Tracklet, fill_gaps, link_tracklets, with_ends, without_slid

HALVES = (tuple(range(1, 11)), tuple(range(11, 17)))
"""COCO's points that are exchanged together: face and arms, hips and legs."""
FIRST_HIP = skeletons.BLAZEPOSE.index("left_hip")
LANDMARK_HALVES = (tuple(range(1, FIRST_HIP)), tuple(range(FIRST_HIP, 33)))
"""The pose model's own."""
MIRRORED = {len(names): np.array(skeletons.mirrored(names)) for names in (skeletons.COCO, skeletons.BLAZEPOSE)}
STATES = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
"""Whether each half is exchanged."""
MOST_JUMP = 0.25
"""Over the person's size: the most that one joint's jump counts, so that an outlier cannot decide."""
SWITCH = 0.2
"""Cost of a change of state of a half, as a sum over joints of jumps over size: above what jitter makes."""
DOUBT = 0.01
"""Cost of an exchanged frame at confidence 1: decides where both states are steady."""
TWIST = 1.0
"""Cost of a frame whose shoulders and hips face opposite ways, times how far they do, over the person's size ..."""
TWISTED = 0.05
"""... beyond this: seen from the side they may, a little."""
SEEN = 0.3
"""Least confidence of shoulders and hips whose direction is compared."""
CLEAR = 0.9
"""Share of the median confidence around it that a frame needs to take part; the others follow their neighbours."""
LONGEST_STEP = 0.25
"""Seconds between frames beyond which motion costs nothing."""
CHUNK = 1000
"""Frames that are corrected, cleaned of spikes or smoothed at once."""


def correct_left_right(
    keypoints_px: Float[Array, "time 17 3"], times: Float[Array, "time"]
) -> Float[Array, "time 17 3"]:
    """The keypoints with left and right exchanged in each half where that makes the motion steady."""
    confidence = keypoints_px[..., 2].mean(-1)
    usual = median_filter(confidence, max(3, round(0.5 / max(np.median(np.diff(times, prepend=-0.03)), 0.01)) | 1))
    clear = np.flatnonzero(confidence >= CLEAR * usual)
    if len(clear) < 3:
        return keypoints_px.copy()
    fixed, clear_px, clear_times = keypoints_px.copy(), keypoints_px[clear], times[clear]
    exchanged = exchanged_halves(clear_px, clear_times)
    changed = exchanged.any(-1)
    clear_px[changed] = exchange(clear_px[changed], exchanged[changed])
    fixed[clear] = clear_px
    for t in np.setdiff1d(np.arange(len(times)), clear):
        fixed[t] = _like_neighbours(keypoints_px[t], float(times[t]), clear_px, clear_times)
    return fixed


def exchange(
    points: Float[Array, "*#b point d"], exchanged: Bool[Array, "*#b 2"], halves: Sequence[Sequence[int]] = HALVES
) -> Float[Array, "*b point d"]:
    """Left and right exchanged in the halves that are marked."""
    chosen = np.zeros((*exchanged.shape[:-1], points.shape[-2]), bool)
    for half, joints in enumerate(halves):
        chosen[..., joints] = exchanged[..., half, None]
    return np.where(chosen[..., None], points[..., MIRRORED[points.shape[-2]], :], points)


def exchange_landmarks(
    landmarks: Float[Array, "time 33 8"], before: Float[Array, "time 17 3"], after: Float[Array, "time 17 3"]
) -> Float[Array, "time 33 8"]:
    """Likewise as COCO's keypoints were; without the places in space there, which are of somebody seen from behind."""
    exchanged = np.stack([(before[:, half] != after[:, half]).any((1, 2)) for half in HALVES], 1)
    mended = exchange(landmarks, exchanged, LANDMARK_HALVES)
    for half, joints in enumerate(LANDMARK_HALVES):
        mended[np.flatnonzero(exchanged[:, half])[:, None], joints, 2:5] = 0
    return mended


def exchanged_halves(keypoints_px: Float[Array, "time 17 3"], times: Float[Array, "time"]) -> Bool[Array, "time 2"]:
    """Which halves of the body have left and right exchanged: the path of least jumps through at least 3 frames."""
    size = appearance.size_px(keypoints_px)
    change = SWITCH * np.abs(STATES[:, None] - STATES[None]).sum(-1)
    best, steps = np.zeros((4, 4)), np.zeros((len(times), 4, 4), np.int8)
    for start in range(0, len(times) - 2, CHUNK):
        part = slice(start, start + CHUNK + 2)
        each = exchange(keypoints_px[part, None], STATES.astype(bool))
        jump = _jumps(each, times[part], size[part])
        alone = DOUBT * keypoints_px[part, :, 2].mean(-1)[:, None] * STATES.sum(-1) + TWIST * np.maximum(
            _twist(each) / size[part, None] - TWISTED, 0
        )
        if start == 0:
            best = alone[0][:, None] + alone[1] + change
        for t in range(2, len(each)):
            total = best[:, :, None] + jump[t - 2] + change + alone[t]
            steps[start + t] = total.argmin(0)
            best = total.min(0)
    path = np.zeros(len(times), int)
    path[-2:] = np.unravel_index(best.argmin(), best.shape)
    for t in range(len(times) - 1, 1, -1):
        path[t - 2] = steps[t, path[t - 1], path[t]]
    return STATES[path].astype(bool)


def _jumps(each: Array, times: Array, size: Array) -> Array:
    """[time-2, 4, 4, 4]: what each choice in three frames in a row costs, against constant velocity."""
    step = np.diff(times)
    known = (step[:-1] <= LONGEST_STEP) & (step[1:] <= LONGEST_STEP)
    ratio = np.minimum(step[1:] / np.maximum(step[:-1], 1e-6), 3.0)[:, None, None, None, None, None]
    total = np.zeros((len(times) - 2, 4, 4, 4))
    for half, joints in enumerate(HALVES):
        two = each[:, [0, 3]][:, :, joints]
        first, second, third = two[:-2, :, None, None], two[1:-1, None, :, None], two[2:, None, None, :]
        expected = second[..., :2] + (second[..., :2] - first[..., :2]) * ratio
        away = np.linalg.norm(third[..., :2] - expected, axis=-1) / size[2:, None, None, None, None]
        weight = np.minimum(np.minimum(first[..., 2], second[..., 2]), third[..., 2])
        cost = (np.minimum(away, MOST_JUMP) * weight).sum(-1) * known[:, None, None, None]
        state = STATES[:, half]
        total += cost[:, state[:, None, None], state[None, :, None], state[None, None, :]]
    return total


def _twist(each: Array) -> Array:
    """[time, 4]: by how many pixels shoulders and hips point opposite ways."""
    shoulders, hips = each[..., 5, :2] - each[..., 6, :2], each[..., 11, :2] - each[..., 12, :2]
    widths = np.linalg.norm(shoulders, axis=-1), np.linalg.norm(hips, axis=-1)
    against = np.maximum(-(shoulders * hips).sum(-1), 0) / np.maximum(np.maximum(*widths), 1e-6)
    return against * (each[..., [5, 6, 11, 12], 2].min(-1) >= SEEN)


def _like_neighbours(keypoints_px: Array, time: float, clear: Array, times: Array) -> Array:
    """The exchange that brings one frame nearest to where the clear frames around it put the joints."""
    after = int(np.clip(np.searchsorted(times, time), 1, len(times) - 1))
    span = max(times[after] - times[after - 1], 1e-6)
    part = np.clip((time - times[after - 1]) / span, 0, 1)
    expected = clear[after - 1] * (1 - part) + clear[after] * part
    each = exchange(keypoints_px[None], STATES.astype(bool))
    away = np.linalg.norm(each[..., :2] - expected[..., :2], axis=-1).sum(-1)
    return each[away.argmin()]


VISIBLE, LEAST_VISIBLE = 0.3, 6
"""Confidence of a visible keypoint, and how many must be visible for the box around them to be the person's."""
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
    """Gaps up to here are filled, with confidence 0, and of longer ones half as much at each end."""
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
    times: Float[Array, "read"],
    config: PostprocessConfig,
    scenes: Sequence[float] = (0.0,),
    shown: tuple[Int[Array, "read"], Float[Array, "frame"]] | None = None,
) -> tuple[list[records.Track], list[str]]:
    """Tracks in order of first appearance, larger people first, and one sentence for each thing dropped.

    `rows` hold the frames of the stretches, one person's landmarks at a time are in memory; `times` are those of all
    frames that were read. Scenes, each of which begins at one of the times `scenes` (seconds), share no track. Where
    not all of the clip was read, `shown` has which frames were, and the times of all; the tracks have all, then.
    """
    frame = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    results: list[tuple[tuple[int, float], records.Track | None, str | int]] = []
    scene_of = np.searchsorted(scenes, times, side="right")
    in_scene: dict[int, list[StoredTracklet]] = {}
    for one in stretches:
        in_scene.setdefault(int(np.searchsorted(scenes, one.first.times[0], side="right")), []).append(one)
    chains = [(scene, chain) for scene, each in in_scene.items() for chain in link_tracklets(each, config.most_gap)]
    blocks = [[block for one in chain for block in one.blocks] for _, chain in chains]
    people = [replace(rows.piece(each), landmarks=None) for each in blocks]
    seconds = [(len(one.frames) - 1) * frame for one in people]
    sure = [surest(one.keypoints_px) for one in people]
    short = [
        seconds[n] < config.least_length - 1e-6 and len(people[n].frames) < (scene_of == scene).sum()
        for n, (scene, _) in enumerate(chains)
    ]
    stays = [not short[n] and sure[n] >= config.least_sure for n in range(len(people))]
    for n, (scene, _) in enumerate(chains):
        person = rows.piece(blocks[n])
        place = int(person.frames[0]), -float(np.median(person.region[:, 2]))
        dropped = f"a person seen for {seconds[n]:.1f} s at {person.times[0]:.1f} s was dropped: too "
        if short[n]:
            results.append((place, None, dropped + "short to follow"))
        elif not stays[n]:
            results.append((place, None, dropped + f"unsure to be one (confidence {sure[n]:.2f})"))
        else:
            others = [
                one for m, one in enumerate(people)
                if m != n and stays[m] and chains[m][0] == scene and len(one.frames) >= SHORT
            ]  # fmt: skip
            results.append((place, *tidy_keypoints(person, times, config, others)))
    notes = []
    if (cuts := len(scenes) - 1) > 0:
        notes.append(
            f"{cuts} cut{'s' if cuts > 1 else ''}: all tracks end there, and whoever is seen after it has a new number"
        )
    tracks, said = _numbered([result[1:] for result in sorted(results, key=lambda result: result[0])], shown)
    return tracks, notes + said


def _numbered(
    found: Sequence[tuple[records.Track | None, str | int]],
    shown: tuple[Int[Array, "read"], Float[Array, "frame"]] | None,
) -> tuple[list[records.Track], list[str]]:
    """The tracks, with the frames that were not read, and a sentence for each thing dropped or repaired."""
    tracks, notes = [], []
    for track, note in found:
        if track is None:
            notes.append(str(note))
            continue
        tracks.append(track if shown is None else with_frames_between(track, *shown))
        filled = int((tracks[-1].confidence == 0).sum())
        notes += _note(len(tracks), int(note), "had left and right exchanged: put right")
        notes += _note(
            len(tracks), filled, f"out of sight {'was' if filled == 1 else 'were'} filled in, with confidence 0"
        )
    return tracks, notes


def surest(keypoints_px: Float[Array, "time 17 3"]) -> float:
    """Confidence of the surest keypoints of each frame, on the mean; between 0 and 1."""
    each = np.partition(keypoints_px[..., 2], -SUREST, axis=-1)[:, -SUREST:]
    return float(each.mean(-1).mean(dtype=np.float64))


def find_spikes(
    keypoints_px: Float[Array, "time 17 3"], times: Float[Array, "time"], window: float, least: float
) -> Bool[Array, "time 17"]:
    """Keypoints that jump away from where the frames before and after put them (Hampel's rule about a steady motion).

    The expected place is the median of the points halfway between earlier and later frames, up to `window` seconds.
    """
    reach = _reach(times, window)
    return _in_chunks(partial(_spikes, window=window, least=least, reach=reach), 3 * reach + 3, keypoints_px, times)


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
    reach = _reach(times, 3 * sigma)
    return _in_chunks(partial(_smooth, sigma=sigma, reach=reach), reach, values, times)


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


def _in_chunks(work: Callable[[Array, Array], Array], margin: int, values: Array, times: Array) -> Array:
    """What `work` gives for each row; it sees a part of the rows at a time, with `margin` rows before and after."""
    parts = []
    for start in range(0, len(times), CHUNK):
        wide = slice(max(start - margin, 0), start + CHUNK + margin)
        parts.append(work(values[wide], times[wide])[start - wide.start :][:CHUNK])
    return np.concatenate(parts)


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
    person: Tracklet, times: Float[Array, "frame"], config: PostprocessConfig, others: Sequence[Tracklet] = ()
) -> tuple[records.Track, int]:
    """One finished track, and in how many frames left and right were exchanged; `times` are those of all frames."""
    if others:
        person = with_ends(without_slid(person, others), times, others, config.most_filled / 2)
    sides = correct_left_right(person.keypoints_px, person.times)
    flipped, cleaned = int((sides != person.keypoints_px).any((1, 2)).sum()), sides.copy()
    spiked = find_spikes(cleaned, person.times, config.spike_window, config.spike_least)
    cleaned[spiked, 2] *= 0.1
    landmarks = None
    if person.landmarks is not None and person.landmarks.any():
        landmarks = exchange_landmarks(person.landmarks, person.keypoints_px, sides)
    frames, keypoints, landmarks = fill_gaps(
        replace(person, keypoints_px=cleaned, landmarks=landmarks), times, config.most_filled, config.most_gap, others
    )
    box = _boxes(cleaned, person)
    box = smooth_keypoints(box, person.times, config.box_sigma)
    box = np.stack([np.interp(times[frames], person.times, column) for column in box.T], -1)
    whole = None if landmarks is None else torch.from_numpy(landmarks)
    track = records.Track(
        torch.from_numpy(frames), torch.from_numpy(box).float(), torch.from_numpy(keypoints).float(), whole
    )
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
