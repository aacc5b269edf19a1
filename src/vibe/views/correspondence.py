"""Which moments and which people of two videos belong together: by how people move, by sound, by pose and place."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import gaussian_filter1d
from scipy.optimize import linear_sum_assignment
from scipy.signal import fftconvolve, find_peaks

from vibe.skeletons import COCO, index
from vibe.views.camera_poses import PosedCamera, relative_pose
from vibe.views.record import Sighting

RATE = 60.0
"""Moments a second at which motions are compared."""
SMOOTH = 0.07
"""Seconds over which speeds are smoothed."""
MOVING = index(COCO, [f"{side}_{joint}" for joint in ("elbow", "wrist", "knee", "ankle") for side in ("left", "right")])
"""The points that move most about the pelvis."""
LEVER = 0.3
"""Metres by which the pelvis's turning counts."""
LEAST_S = 0.75
"""Seconds in which both see somebody, below which nothing is compared."""
DOUBT = 2.0
"""Seconds of overlap at which a likeness counts half."""
ALIKE = 0.15
"""Likeness, thus discounted, below which an offset is none."""
NEARLY = 0.6
"""Share of the greatest likeness below which an offset is not tried."""


def time_offsets(one: Sequence[Sighting], two: Sequence[Sighting], count: int = 8) -> list[tuple[float, float]]:
    """Likely offsets, the likeliest first, each with its likeness from 0 to 1; none where nothing is alike.

    An offset in seconds, added to a time of the first view, gives the time of the same moment in the second. Each
    person of the first view counts with whoever of the second moves most as they do.
    """
    if not one or not two:
        return []
    signals = [[_signal(each) for each in view] for view in (one, two)]
    low = min(start for start, *_ in signals[1]) - max(start + len(seen) / RATE for start, _, seen in signals[0])
    high = max(start + len(seen) / RATE for start, _, seen in signals[1]) - min(start for start, *_ in signals[0])
    lags = np.arange(np.floor(low * RATE), np.ceil(high * RATE) + 1)
    total, overlap = np.zeros(len(lags)), np.zeros(len(lags))
    for mine in signals[0]:
        pairs = [_likeness(mine, other, lags) for other in signals[1]]
        scores = np.stack([alike.clip(0) * shared for alike, shared in pairs])
        total += scores.max(0, initial=0.0)
        overlap += np.stack([shared for _, shared in pairs]).max(0)
    score = np.where(overlap > LEAST_S, total / (overlap + DOUBT), 0.0)
    peaks = find_peaks(np.pad(score, 1))[0] - 1
    least = max(ALIKE, NEARLY * float(score.max(initial=0.0)))
    best = sorted((int(peak) for peak in peaks if score[peak] > least), key=lambda peak: -score[peak])[:count]
    return [(float(lags[peak] + _vertex(score, peak)) / RATE, float(score[peak])) for peak in best]


def _signal(person: Sighting) -> tuple[float, Float[ndarray, "sample channel"], Float[ndarray, "sample"]]:
    """Start (seconds), velocities of limbs in the pelvis's axes and its turning, metres a second, and where known."""
    first = np.ceil(person.times[0] * RATE)
    count = max(int(np.floor(person.times[-1] * RATE) - first) + 1, 2)
    even = person.at((first + np.arange(count)) / RATE)
    known = even.seen.astype(float)
    local = np.gradient(gaussian_filter1d(even.local[:, MOVING], SMOOTH * RATE, axis=0), axis=0) * RATE
    # in the pelvis's own axes, so that it is the same from wherever it is seen
    R = gaussian_filter1d(even.R_cam_pelvis, SMOOTH * RATE, axis=0)
    spin = R.mT @ np.gradient(R, axis=0) * RATE
    spin = spin - spin.mT
    turning = np.stack([spin[:, 2, 1], spin[:, 0, 2], spin[:, 1, 0]], -1)
    channels = np.concatenate([local.reshape(count, -1), LEVER * turning], 1)
    return first / RATE, channels * known[:, None], known


def _likeness(
    one: tuple[float, ndarray, ndarray], two: tuple[float, ndarray, ndarray], lags: Float[ndarray, "lag"],
    rate: float = RATE,
) -> tuple[Float[ndarray, "lag"], Float[ndarray, "lag"]]:  # fmt: skip
    """Normalised correlation of two signals at each lag (samples), -1 to 1, and the seconds that it rests on."""

    def slid(a: Float[ndarray, "one *c"], b: Float[ndarray, "two *c"]) -> Float[ndarray, "lag"]:
        whole = fftconvolve(b.reshape(len(b), -1), a[::-1].reshape(len(a), -1), axes=0).sum(1)
        place = lags + round((one[0] - two[0]) * rate) + len(a) - 1
        inside = (place >= 0) & (place < len(whole))
        return np.where(inside, whole[place.clip(0, len(whole) - 1).astype(int)], 0.0)

    shared = slid(one[2], two[2]).clip(0) / rate
    energy = slid((one[1] ** 2).sum(-1), two[2]).clip(0) * slid(one[2], (two[1] ** 2).sum(-1)).clip(0)
    alike = slid(one[1], two[1]) / np.sqrt(energy).clip(1e-9)
    return np.where(shared > LEAST_S, alike.clip(-1, 1), 0.0), shared


HOP, WINDOW = 32, 128
"""Samples from one spectrum of the sound to the next, and that one is of."""
BANDS_HZ = (150, 300, 600, 1200, 2000, 3000, 4000)
"""Borders of the bands whose loudness is compared."""
QUIET = 1e-4
"""Share of a band's mean power, from which there is something to hear."""
LOUDEST = 2.0
"""Of these units that count."""
CLEAR, ALONE = 6.0, 0.55
"""How often a likeness of sounds must be the usual one of other offsets, and the share of it that none may have that is
farther away than `NEAR`: a loop fits as well a bar later."""
NEAR = 0.04
"""Seconds."""
PIECE = 8192
"""Spectra that are taken at once."""


def sound_offset(one: Float[ndarray, "first"], two: Float[ndarray, "second"], rate: int) -> float | None:
    """The offset that two sounds tell, as `time_offsets` has it; None where none stands out.

    Compared is where bands get louder or softer, which two microphones hear alike. Sound takes 3 ms a metre: who is
    nearer to it by so much hears it earlier.
    """
    hops = rate / HOP
    a, b = _changes(one, rate), _changes(two, rate)
    if min(len(a), len(b)) < DOUBT * hops:
        return None
    lags = np.arange(1 - len(a), len(b), dtype=float)
    alike, shared = _likeness((0.0, a, np.ones(len(a))), (0.0, b, np.ones(len(b))), lags, hops)
    # by chance sounds are alike the less the longer they are
    score = np.where(shared > DOUBT, alike * np.sqrt(shared), 0.0)
    peak = int(score.argmax())
    usual = 1.48 * float(np.median(abs(score[shared > DOUBT])))
    others = score[abs(lags - lags[peak]) > NEAR * hops]
    if not score[peak] > CLEAR * usual or others.max(initial=0.0) > ALONE * score[peak]:
        return None
    if _eventful(a, b, int(lags[peak])) < DOUBT * hops:
        return None
    return float(lags[peak] + _vertex(score, peak)) / hops


def _eventful(one: Float[ndarray, "first band"], two: Float[ndarray, "second band"], lag: int) -> float:
    """On how many hops a likeness rests: one loud event amid silence is like any other."""
    first, last = max(-lag, 0), min(len(one), len(two) - lag)
    both = np.sqrt((one[first:last] ** 2).sum(1) * (two[first + lag : last + lag] ** 2).sum(1))
    return float(both.sum() ** 2 / (both**2).sum().clip(1e-9))


def _changes(sound: Float[ndarray, "sample"], rate: int) -> Float[ndarray, "hop band"]:
    """How much louder each band gets from one spectrum to the next, in units of what is usual for it."""
    window, count = np.blackman(WINDOW), max((len(sound) - WINDOW) // HOP + 1, 0)
    edges = np.searchsorted(np.fft.rfftfreq(WINDOW, 1 / rate), BANDS_HZ)
    powers = [np.zeros((0, len(edges) - 1))]
    for first in range(0, count, PIECE):
        part = sound[first * HOP : (min(first + PIECE, count) - 1) * HOP + WINDOW]
        spectra = abs(np.fft.rfft(sliding_window_view(part, WINDOW)[::HOP] * window)) ** 2
        powers.append(np.add.reduceat(spectra[:, : edges[-1]], edges[:-1], axis=1))
    power = np.concatenate(powers)
    floor = QUIET * power.mean(0) + np.finfo(np.float32).tiny if count else 1.0
    changes = np.diff(np.log(power + floor), axis=0)
    # a click that is louder than all else is one event
    return (changes / changes.std(0).clip(1e-6)).clip(-LOUDEST, LOUDEST) if count > 1 else changes


def _vertex(score: Float[ndarray, "lag"], peak: int) -> float:
    """Where between its neighbours a parabola through a peak is highest, samples from it."""
    if not 0 < peak < len(score) - 1:
        return 0.0
    left, middle, right = score[peak - 1 : peak + 2]
    bend = left - 2 * middle + right
    return float(0.5 * (left - right) / bend) if bend < 0 else 0.0


POSE, PLACE = 0.15, 0.08
"""Mean distance of two skeletons, metres, and of two pelvises as a share of their distance from the cameras, at which
people are as likely the same as not."""
UNLIKE = 1.5
"""Sum of both, in these units, beyond which two are not the same."""
LEAST_MOMENTS = 10
"""Moments in which both views see somebody, of `STEP`."""
STEP = 1 / 15
"""Seconds."""
SHARED = 0.25
"""Seconds for which two tracks of one view may both be the same person."""


def pair_views(
    one: Sequence[Sighting], two: Sequence[Sighting], offset_s: float
) -> tuple[Float[ndarray, "3 3"], Float[ndarray, "3"], list[tuple[int, int]], float] | None:
    """R and t from a view to another whose clock is so much ahead, who is who, and how unlike they are, about 0 to 1.

    Each pair of people is a guess at the cameras, under which all others are compared. None where nobody is alike.
    """
    best = None
    both = {(i, j): _together(a, b, offset_s) for i, a in enumerate(one) for j, b in enumerate(two)}
    both = {pair: shared for pair, shared in both.items() if shared is not None}
    for guess in both.values():
        R, t, _ = relative_pose([guess[0]], [guess[1]])
        cost = np.full((len(one), len(two)), UNLIKE)
        for pair, shared in both.items():
            cost[pair] = min(unlikeness(*shared, R, t), UNLIKE)
        pairs = [(int(i), int(j)) for i, j in zip(*linear_sum_assignment(cost), strict=True) if cost[i, j] < UNLIKE]
        length = sum(len(both[pair][0].times) for pair in pairs)
        gain = sum((UNLIKE - cost[pair]) * len(both[pair][0].times) for pair in pairs)
        if pairs and (best is None or gain > best[0]):
            best = gain, pairs, 1 - gain / (UNLIKE * length)
    if best is None:
        return None
    R, t, _ = relative_pose(*([both[pair][side] for pair in best[1]] for side in (0, 1)))
    return R, t, best[1], float(best[2])


def same_people(views: Sequence[Sequence[Sighting]], cameras: Sequence[PosedCamera]) -> list[list[tuple[int, int]]]:
    """Everybody as the views and tracks in them that are theirs, the likest joined first.

    Tracks of one view are one person's only where they don't overlap in time.
    """
    tracks = [(view, track) for view, tracks in enumerate(views) for track in range(len(tracks))]
    costs = []
    for a, b in combinations(tracks, 2):
        if a[0] == b[0]:
            continue
        one, two = cameras[a[0]], cameras[b[0]]
        shared = _together(views[a[0]][a[1]], views[b[0]][b[1]], two.offset_s - one.offset_s)
        if shared is not None:
            R = two.R_view_ref @ one.R_view_ref.T
            cost = unlikeness(*shared, R, two.t_view_ref - R @ one.t_view_ref)
            costs.append((cost, a, b))
    groups = {track: [track] for track in tracks}
    for cost, a, b in sorted(costs):
        mine, other = groups[a], groups[b]
        if cost >= UNLIKE or mine is other or any(_clash(views, x, y) for x in mine for y in other):
            continue
        mine += other
        groups |= dict.fromkeys(other, mine)
    found = {id(group): group for group in groups.values()}
    return sorted((sorted(group) for group in found.values()), key=lambda group: group[0])


def agreement(views: Sequence[Sequence[Sighting]], cameras: Sequence[PosedCamera]) -> float:
    """How alike everybody in the last view moves to the same people in all others: likeness as of `time_offsets`.

    A chance likeness to one view, at a wrong time, is not shared by the others.
    """
    last, total, overlap = len(views) - 1, 0.0, 0.0
    for group in same_people(views, cameras):
        mine = [_signal(views[last][track]) for view, track in group if view == last]
        for view, track in group:
            lag = np.array([(cameras[last].offset_s - cameras[view].offset_s) * RATE]).round()
            for signal in mine if view != last else ():
                alike, shared = _likeness(_signal(views[view][track]), signal, lag)
                total, overlap = total + float(alike[0].clip(0) * shared[0]), overlap + float(shared[0])
    return total / (overlap + DOUBT)


def unlikeness(one: Sighting, two: Sighting, R: Float[ndarray, "3 3"], t: Float[ndarray, "3"]) -> float:
    """How unlike two people are at the same moments in two views, the median; 1 where as likely the same as not."""
    apart = np.linalg.norm(one.points @ R.T - two.points, axis=-1).mean(-1) / POSE
    away = np.linalg.norm(one.pelvis @ R.T + t - two.pelvis, axis=-1)
    reach = np.linalg.norm(one.pelvis, axis=-1) + np.linalg.norm(two.pelvis, axis=-1)
    return float(np.median(0.5 * apart + 0.5 * away / (PLACE * reach)))


def _together(one: Sighting, two: Sighting, offset_s: float) -> tuple[Sighting, Sighting] | None:
    """Both at the moments in which both are seen; None if there are few."""
    low = max(one.times[0], two.times[0] - offset_s)
    high = min(one.times[-1], two.times[-1] - offset_s)
    if high - low < LEAST_MOMENTS * STEP:
        return None
    times = np.arange(low, high, STEP)
    here, there = one.at(times), two.at(times + offset_s)
    both = here.seen & there.seen
    if both.sum() < LEAST_MOMENTS:
        return None
    return one.at(times[both]), two.at(times[both] + offset_s)


def _clash(views: Sequence[Sequence[Sighting]], a: tuple[int, int], b: tuple[int, int]) -> bool:
    """Whether one person would be in two places of one picture."""
    if a[0] != b[0]:
        return False
    one, two = views[a[0]][a[1]].times, views[b[0]][b[1]].times
    return float(min(one[-1], two[-1]) - max(one[0], two[0])) > SHARED
