"""Gait: walks have the steps that they have, whoever does not walk has none."""

import subprocess
import sys

import numpy as np
import pytest
from scipy.signal import find_peaks

from vibe.motion.gait import gait, prominent_peaks
from vibe.skeletons import CONTACTS, SMPL

FPS = 30.0
UP = np.array([0.0, 0.0, 1.0])
STEP = 0.6
"""Seconds from foot to foot; a foot stands for 0.7 s and swings for 0.5."""


def marching(length=0.7, rise=0.0, frames=150, heading=0.4, width=0.1):
    """Contacts and joints of feet that stand for 0.7 s from their strike on and swing to the place after the next."""
    times = np.arange(frames) / FPS
    joints, contacts = np.zeros((frames, 24, 3)), np.zeros((frames, 4))
    forward, left = np.array([np.cos(heading), np.sin(heading), 0]), np.array([-np.sin(heading), np.cos(heading), 0])
    strikes = {}
    for foot, (side, across) in enumerate((("left", width / 2), ("right", -width / 2))):
        phase = times / (2 * STEP) + 0.25 + foot / 2
        cycle, part = np.floor(phase), (phase % 1) * 2 * STEP
        swing = ((part - 0.7) / 0.5).clip(0, 1)
        along = 2 * length * (cycle + (1 - np.cos(np.pi * swing)) / 2 - foot / 2)
        high = 2 * rise * (cycle + swing - foot / 2) + 0.1 * np.sin(np.pi * swing)
        place = along[:, None] * forward + across * left + high[:, None] * UP
        joints[:, SMPL.index(f"{side}_ankle")] = place
        joints[:, SMPL.index(f"{side}_foot")] = place + 0.15 * forward
        stands = part < 0.7
        for point in ("heel", "toe"):
            contacts[:, CONTACTS.index(f"{side}_{point}")] = stands
        strikes[side] = times[1:][stands[1:] & ~stands[:-1]]
    way = (times / STEP + 0.25) * length
    joints[:, 0] = way[:, None] * forward + (0.9 + rise * times / STEP)[:, None] * UP
    return contacts, joints, times, strikes


def test_a_walk_has_the_steps_that_it_was_made_of():
    contacts, joints, times, strikes = marching()
    walk = gait(contacts, joints, UP, times)
    for side, true in strikes.items():
        found = [time for time, which, kind in walk.events if (which, kind) == (side, "strike")]
        assert np.abs(np.array(found) - true[: len(found)]).max() <= 2.5 / FPS and len(found) >= len(true) - 1
    assert walk.summary["steps"] >= 6
    assert walk.summary["step_time_s"] == pytest.approx(STEP, abs=0.02)
    assert walk.summary["step_length_m"] == pytest.approx(0.7, abs=0.01)
    assert walk.summary["step_width_m"] == pytest.approx(0.1, abs=0.02)
    assert walk.summary["speed_m_s"] == pytest.approx(0.7 / STEP, abs=0.05)
    assert walk.summary["cadence_per_min"] == pytest.approx(100, abs=3)


def test_offs_follow_strikes_of_the_same_foot():
    contacts, joints, times, _ = marching()
    walk = gait(contacts, joints, UP, times)
    both = [one for one in walk.contacts if one.strike is not None and one.off is not None]
    assert both and all(0.5 < one.off - one.strike < 0.9 for one in both)


@pytest.mark.parametrize(
    "given", [{"rise": 0.17}, {"length": 0.02}, {"frames": 26}], ids=["stairs", "on the spot", "a step"]
)
def test_what_is_no_walk_has_no_events(given):
    contacts, joints, times, _ = marching(**given)
    walk = gait(contacts, joints, UP, times)
    assert walk.contacts == () and walk.events == [] and walk.summary == {"steps": 0}


@pytest.mark.parametrize("frames", [0, 1, 60])
def test_standing_still_and_nothing_at_all_are_no_walk(frames):
    still = gait(np.ones((frames, 4)), np.zeros((frames, 24, 3)), UP, np.arange(frames) / FPS)
    assert still.contacts == ()


def test_a_walk_is_the_same_whatever_way_it_goes_and_which_axis_is_up():
    contacts, joints, times, _ = marching()
    plain = gait(contacts, joints, UP, times)
    turned = np.stack([joints[..., 1], joints[..., 2], joints[..., 0]], -1) + [5, -2, 1]
    other = gait(contacts, turned, np.array([0.0, 1.0, 0.0]), times)
    assert [event[1:] for event in other.events] == [event[1:] for event in plain.events]
    assert other.summary == pytest.approx(plain.summary)


def test_flickers_of_a_contact_are_no_steps():
    contacts, joints, times, _ = marching()
    flickering = contacts.copy()
    flickering[40::25] = 1 - flickering[40::25]
    assert len(gait(flickering, joints, UP, times).contacts) == len(gait(contacts, joints, UP, times).contacts)


@pytest.mark.parametrize("seed", range(8))
def test_prominent_peaks_are_those_of_scipy(seed):
    values = np.random.default_rng(seed).normal(size=300).cumsum()
    for least in (0.5, 2.0, 6.0):
        assert prominent_peaks(values, least) == find_peaks(values, prominence=least)[0].tolist()


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([0, 1, 2, 2, 2, 1, 0, 3, 0], [3, 7]),
        ([0, 2, 2, 0], [1]),
        ([0, 1, 1, 2, 0], [3]),
        ([2, 2, 0, 1, 1], []),
        ([0, 2, 2, 1.5, 2.5, 2.5, 2.5, 0], [5]),
    ],
)
def test_a_level_peak_is_at_its_middle_as_scipy_has_it(values, found):
    values = np.array(values, float)
    assert prominent_peaks(values, 1.0) == find_peaks(values, prominence=1.0)[0].tolist() == found


def test_of_equally_high_peaks_the_first_counts():
    assert prominent_peaks(np.array([0, 2, 1.5, 2, 0]), 1.0) == [1]


def test_a_gait_is_read_without_what_takes_long_to_load():
    code = """
import sys
import numpy as np
from vibe.motion.gait import gait
gait(np.ones((9, 4)), np.zeros((9, 24, 3)), np.array([0.0, 0.0, 1.0]), np.arange(9.0))
print({"scipy.signal", "scipy.stats", "torch"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
