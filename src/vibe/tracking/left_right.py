"""Corrects frames in which the pose model exchanged a person's left and right.

Such a frame makes every left-right pair change places at once and back, which no body does; a real turn moves them
through each other steadily. So the Viterbi path of least acceleration through all frames is taken, over the states of
the upper and the lower half of the body together.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray as Array
from scipy.ndimage import median_filter

from vibe import skeletons
from vibe.tracking import appearance

HALVES = (tuple(range(1, 11)), tuple(range(11, 17)))
"""Joints that are exchanged together: face and arms, hips and legs."""
MIRRORED = np.array(skeletons.mirrored(skeletons.COCO))
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
"""Frames whose costs are computed at once."""


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


def exchange(keypoints_px: Float[Array, "*#b 17 3"], exchanged: Bool[Array, "*#b 2"]) -> Float[Array, "*b 17 3"]:
    """Left and right exchanged in the halves that are marked."""
    chosen = np.zeros((*exchanged.shape[:-1], 17), bool)
    for half, joints in enumerate(HALVES):
        chosen[..., joints] = exchanged[..., half, None]
    return np.where(chosen[..., None], keypoints_px[..., MIRRORED, :], keypoints_px)


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
