"""Delays that are counted, not kept."""

import math

import pytest

from vibe.live.pose import MOST_MS, Delays


def test_shares_of_the_delays_are_those_of_the_sorted_list():
    delays = Delays(0.0)
    for delay_ms in range(1, 101):
        delays.add(delay_ms - 0.5)
    assert (delays.at(0.5), delays.at(0.95), delays.at(1.0)) == (50, 95, 100)


def test_the_line_says_frames_a_second_and_what_was_left_out():
    delays = Delays(10.0)
    for _ in range(50):
        delays.add(80.2)
    said = "25.0 frames a second, delay 81 ms (95 % within 81 ms), 10 of 60 frames left out"
    assert delays.line(12.0, 10) == said


@pytest.mark.parametrize("delay_ms", [-5.0, 1e9])
def test_no_delay_is_out_of_range(delay_ms):
    delays = Delays(0.0)
    delays.add(delay_ms)
    assert delays.answers == 1 and delays.at(0.5) <= MOST_MS + 1


def test_without_answers_there_is_no_delay():
    assert math.isnan(Delays(0.0).at(0.5))
    assert Delays(0.0).line(3.0, 0) == "no answer in 3 s"
