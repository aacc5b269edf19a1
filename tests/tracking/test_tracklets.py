"""Laws of telling which pieces belong to one person."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from vibe.tracking import tracklets
from vibe.tracking.tracklets import END, StoredTracklet, Tracklet, first_end, gap_cost, last_end, link_tracklets


def strands(seed, count, shortest=2):
    """Pieces of random people, who walk straight on through 20 seconds; some belong together, most do not."""
    random, made = np.random.default_rng(seed), []
    for number in range(count):
        length = int(random.choice([shortest, 6, 15, 40]))
        frames = int(random.uniform(0, 600)) + np.arange(length)
        centre = random.uniform(0, 400, 2) + (frames - frames[0])[:, None] * random.normal(size=2)
        side, still = np.full((length, 1), 300 * random.uniform(0.8, 1.2)), np.zeros((length, 1))
        region = np.concatenate([centre, side, still], 1).astype(np.float32)
        looks = random.uniform(0, 0.1, (length, 2, 64))
        looks[:, :, random.integers(0, 3)] = 1
        looks /= np.linalg.norm(looks, axis=-1, keepdims=True)
        keypoints = np.zeros((length, 17, 3), np.float32)
        piece = Tracklet(frames, frames / 30, keypoints, region, looks.reshape(-1, 128).astype(np.float32))
        made.append(StoredTracklet(first_end(piece), last_end(piece), ((number * 100, length),), number))
    return sorted(made, key=lambda one: one.first.times[0])


def plainly(stretches, most_gap):
    """Every end against every beginning, in one dense assignment."""
    count = len(stretches)
    cost = np.full((count, count), 2.0)
    for i, early in enumerate(stretches):
        for j, late in enumerate(stretches):
            if 0 < late.first.times[0] - early.last.times[-1] <= most_gap:
                cost[i, j] = min(gap_cost(early.last, late.first), 2.0)
    after = {i: j for i, j in zip(*linear_sum_assignment(cost), strict=True) if cost[i, j] <= 1}
    return {(stretches[i].blocks, stretches[j].blocks) for i, j in after.items()}


@pytest.mark.parametrize("seed", range(6))
def test_links_are_those_of_the_cheapest_assignment_of_all_ends_to_all_beginnings(seed):
    stretches = strands(seed, 60, shortest=tracklets.SHORT)
    chains = link_tracklets(stretches, 2.0)
    linked = {(one.blocks, other.blocks) for chain in chains for one, other in zip(chain, chain[1:], strict=False)}
    assert linked == plainly(stretches, 2.0) and len(linked) > 3


@pytest.mark.parametrize("seed", range(3))
def test_each_piece_is_in_one_chain_that_goes_forward_in_time(seed):
    stretches = strands(seed, 80)
    chains = link_tracklets(stretches, 2.0)
    assert sorted(one.blocks for chain in chains for one in chain) == sorted(one.blocks for one in stretches)
    for chain in chains:
        for early, late in zip(chain, chain[1:], strict=False):
            assert 0 < late.first.times[0] - early.last.times[-1] <= 2 or min(early.count, late.count) < tracklets.SHORT


def test_nobody_gives_no_chains():
    assert link_tracklets([], 2.0) == []


def test_the_ends_of_a_piece_are_its_first_and_last_quarter_second():
    stretch = strands(0, 40)[0]
    for end in (stretch.first, stretch.last):
        assert end.times[-1] - end.times[0] <= END
        np.testing.assert_allclose(np.linalg.norm(end.look.reshape(2, 64), axis=-1), 1, atol=0.1)
        assert np.linalg.norm(end.look) == pytest.approx(2**0.5, abs=1e-5)


def passing(exchanged):
    """Tracks of two people who pass before one another in blue and red, each parted there; they may be exchanged."""
    made = []
    for person, (start, step) in enumerate(((0, 8), (520, -8))):
        looks = np.full((60, 2, 64), 0.01)
        looks[..., person] = 1
        looks /= np.linalg.norm(looks, axis=-1, keepdims=True)
        frames = np.arange(60)
        region = np.stack([start + step * frames, 0 * frames, 300 + 0 * frames, 0 * frames], 1).astype(np.float32)
        for half in (0, 1):
            part = slice(30 * half, 30 * half + 30)
            keypoints = np.zeros((30, 17, 3), np.float32)
            piece = Tracklet(frames[part], frames[part] / 30, keypoints, region[part], looks[part].reshape(30, 128))
            track = person ^ (half & exchanged)
            made.append(StoredTracklet(first_end(piece), last_end(piece), ((100 * person, half),), track))
    return made


@pytest.mark.parametrize("exchanged", [False, True])
def test_people_who_pass_keep_their_numbers_even_where_their_tracks_were_exchanged(exchanged):
    chains = link_tracklets(passing(exchanged), 2.0)
    assert sorted([one.blocks[0] for one in chain] for chain in chains) == [[(0, 0), (0, 1)], [(100, 0), (100, 1)]]


def test_a_track_that_was_parted_goes_on_however_unlike_unless_somebody_likelier_is_there():
    before, after = (one for one in passing(True) if one.track == 0)
    assert gap_cost(before.last, after.first) > 1
    assert link_tracklets([before, after], 2.0) == [[before, after]]
    assert len(link_tracklets([before, replace(after, track=7)], 2.0)) == 2


def test_a_glimpse_joins_the_person_that_it_is_like_and_nobody_else():
    first, later = (one for one in passing(False) if one.track == 0)
    # the farther one would be let in if it were long
    for side, chains in ((115.0, 2), (10.0, 1)):
        region = later.first.region[:2] + np.array([side, 0, 0, 0])
        end = replace(later.first, times=later.first.times[:2], region=region)
        glimpse = StoredTracklet(end, end, ((500, 2),), 9)
        assert 0 <= gap_cost(first.last, end) < 1
        assert len(link_tracklets([first, glimpse], 2.0)) == chains
