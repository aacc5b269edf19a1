import numpy as np
import pytest
from sighted import camera_at, seen_by, walker

from vibe.views.time_offset import time_offsets


@pytest.mark.parametrize(("start", "fps"), [(0.0, 30.0), (1.234, 24.0), (2.5, 60.0)])
def test_how_people_move_tells_the_clocks_apart_to_some_milliseconds_but_for_whole_strides(start, fps):
    who = walker()
    one = seen_by(camera_at(0), who, 5.0, 2.0, 4.0)
    two = seen_by(camera_at(80, start=start, fps=fps), who, 5.0, 2.0, 4.0, np.random.default_rng(1))
    offsets = [offset for offset, _ in time_offsets([one], [two])]
    assert min(abs(offset + start) for offset in offsets) < 0.008


def test_several_people_in_another_order_tell_the_same():
    people = [walker(1), walker(2, phase=3.3, shift=(1.5, 0, 0), pace=-0.8)]
    one = [seen_by(camera_at(0), who) for who in people]
    two = [seen_by(camera_at(90, start=0.7), who) for who in reversed(people)]
    assert abs(time_offsets(one, two)[0][0] + 0.7) < 0.008


def test_a_video_is_less_like_the_mirror_of_another_than_like_the_other():
    who = walker()
    one, two = seen_by(camera_at(0), who), seen_by(camera_at(80, start=1.0), who)
    straight, mirror = time_offsets([one], [two])[0][1], time_offsets([one], [two.mirrored])[0][1]
    assert straight > mirror
    assert np.allclose(two.mirrored.mirrored.points, two.points)


def test_nobody_and_somebody_who_is_seen_for_a_moment_tell_nothing():
    who = walker()
    one = seen_by(camera_at(0), who)
    assert time_offsets([], [one]) == [] == time_offsets([one], [])
    assert time_offsets([one], [seen_by(camera_at(0), who, 0.4)]) == []
