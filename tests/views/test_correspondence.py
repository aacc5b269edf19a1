from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from sighted import camera_at, seen_by, walker

from vibe.video.sound import RATE
from vibe.views.correspondence import ALIKE, agreement, pair_views, same_people, sound_offset, time_offsets


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


def noise(seed, seconds=12.0):
    """Hiss that swells and fades, as a voice does."""
    random, count = np.random.default_rng(seed), round(seconds * RATE)
    knots = np.arange(0, count + 1200, 1200)
    loud = np.interp(np.arange(count), knots, random.random(len(knots)) ** 2)
    return (random.standard_normal(count) * loud).astype(np.float32)


@pytest.mark.parametrize("offset_s", [0.0, 2.3457, -1.7779])
def test_sound_in_a_room_tells_the_clocks_apart_to_two_milliseconds(offset_s):
    source, random = noise(0), np.random.default_rng(1)
    starts = max(offset_s, 0.0), max(-offset_s, 0.0)
    heard = []
    for gain, start in zip((0.02, 3.0), starts, strict=True):
        echo = np.concatenate([[1.0], 0.05 * random.standard_normal(2000) * np.exp(-np.arange(2000) / 600)])
        part = np.convolve(source, echo)[round(start * RATE) :][: 9 * RATE]
        heard.append((gain * (part + 0.03 * random.standard_normal(len(part)))).astype(np.float32))
    assert sound_offset(heard[0], heard[1], RATE) == pytest.approx(starts[0] - starts[1], abs=0.002)


def test_sounds_that_are_not_the_same_or_repeat_themselves_or_are_none_tell_nothing():
    silence, loop = np.zeros(10 * RATE, np.float32), np.tile(noise(2, 1.0), 10)
    assert all(sound_offset(noise(seed), noise(seed + 100), RATE) is None for seed in range(10))
    assert sound_offset(loop, loop[RATE // 2 :], RATE) is None
    for other in (silence, noise(0), silence[:0], silence[:50]):
        assert sound_offset(silence, other, RATE) is None
    assert sound_offset(noise(0)[:RATE], noise(0), RATE) is None, "a second is too little"


def test_one_loud_event_amid_silence_tells_nothing():
    def click(seed):
        random = np.random.default_rng(seed)
        sound, at = 1e-5 * random.standard_normal(30 * RATE), random.integers(29 * RATE)
        sound[at : at + RATE // 4] += random.standard_normal(RATE // 4) * np.exp(-np.arange(RATE // 4) / (0.05 * RATE))
        return sound.clip(-1, 1).astype(np.float32)

    assert all(sound_offset(click(seed), click(seed + 100), RATE) is None for seed in range(8))
    one, two = (np.eye(1, 10 * RATE, at, dtype=np.float32)[0] for at in (900, 40_000))
    assert sound_offset(one, two, RATE) is None


def crowd():
    return [walker(1), walker(2, phase=3.3, shift=(1.5, 0, 0.5), pace=-0.8), walker(3, phase=5.0, shift=(-1.5, 0, 1.0))]


def test_everybody_is_found_in_the_other_view_whatever_their_order():
    cameras = camera_at(0, 8.0), camera_at(100, 8.0, start=1.0)
    one = [seen_by(cameras[0], who, 5.0, 1.0, 3.0, np.random.default_rng(n)) for n, who in enumerate(crowd())]
    two = [seen_by(cameras[1], who, 5.0, 1.0, 3.0, np.random.default_rng(9 + n)) for n, who in enumerate(crowd())]
    R, _, pairs, _ = pair_views(one, [two[2], two[0], two[1]], -1.0)
    assert sorted(pairs) == [(0, 1), (1, 2), (2, 0)]
    assert np.degrees(Rotation.from_matrix(R.T @ cameras[1].posed(cameras[0]).R_view_ref).magnitude()) < 5


def test_tracks_of_one_person_after_a_loss_are_one_person_and_a_stranger_is_nobody_else():
    cameras, people = (camera_at(0, 8.0), camera_at(70, 8.0)), crowd()
    one = [seen_by(cameras[0], who) for who in people[:2]]
    whole = seen_by(cameras[1], people[0])
    parts = [whole.at(whole.times[:60]), whole.at(whole.times[80:])]
    two = [parts[1], seen_by(cameras[1], people[2]), parts[0]]
    groups = same_people([one, two], [camera.posed(cameras[0]) for camera in cameras])
    assert groups == [[(0, 0), (1, 0), (1, 2)], [(0, 1)], [(1, 1)]]


def test_views_agree_with_one_more_that_shows_the_same_at_its_own_time_alone_whoever_else_they_see():
    cameras, people = [camera_at(yaw, 8.0, start) for yaw, start in ((0, 0.0), (70, 0.4), (150, 1.0))], crowd()
    shown = people[:2], people[1:], people[1:2]
    views = [[seen_by(camera, who) for who in seen] for camera, seen in zip(cameras, shown, strict=True)]
    posed = [camera.posed(cameras[0]) for camera in cameras]
    assert agreement(views, posed) > 0.7
    late = [*posed[:2], replace(posed[2], offset_s=posed[2].offset_s + 0.8)]
    assert agreement(views, late) < ALIKE


def test_nobody_is_paired_where_nobody_is_seen_at_once():
    seen = seen_by(camera_at(0), walker())
    assert pair_views([seen], [seen], 40.0) is None
