"""Answers that never look ahead, and are the offline method's own at the end of what was seen."""

from dataclasses import replace

import pytest
import torch
from sightings import FPS, HEIGHT, WIDTH, answers, last_answer, sighting

from vibe import cameras
from vibe.evaluate import open_benchmark
from vibe.inference import predict
from vibe.live.person import LiveConfig
from vibe.live.pose import KNOWN_FOR, LiveEstimator
from vibe.refine.presets import SMOOTHING

PLAIN = LiveConfig(smoothing=SMOOTHING["none"], turns=None, depths=None)


@pytest.mark.parametrize("delay", [0, 2])
def test_an_answer_does_not_change_when_later_frames_do(method, swaying, delay):
    told = [sighting(index, points) for index, points in enumerate(swaying[:20])]
    other = [sighting(index, points) for index, points in enumerate(swaying[::-1][:20])]
    before, mixed = answers(method, told, delay), answers(method, told[:12] + other[12:], delay)
    for one, same in zip(before[: 12 - delay], mixed[: 12 - delay], strict=True):
        for pose, again in zip(one.people, same.people, strict=True):
            assert torch.equal(pose.joints, again.joints)
    assert not torch.allclose(before[-1].people[0].joints, mixed[-1].people[0].joints, atol=1e-3)


def test_an_answer_is_told_by_as_many_later_frames_as_it_waits_for(method, swaying):
    told = [sighting(index, points) for index, points in enumerate(swaying[:12])]
    changed = [*told[:-1], sighting(11, swaying[30])]
    waiting, again = answers(method, told, 1)[-1], answers(method, changed, 1)[-1]
    assert waiting.index == again.index == 10 and waiting.time == pytest.approx(10 / FPS)
    assert not torch.allclose(waiting.people[0].joints, again.people[0].joints, atol=1e-4)


def test_the_newest_answer_is_the_offline_reading_at_the_end_of_the_same_frames(method, swaying):
    told = [sighting(index, points) for index, points in enumerate(swaying[:30])]
    live = last_answer(method, told, 0, PLAIN).people[0]
    track, clip = open_benchmark.benchmark_track(swaying[:30])
    camera = cameras.default_camera(WIDTH, HEIGHT)
    offline = predict.predict_track(track, clip.timestamps, camera, method.network, method.body).whole
    assert torch.allclose(live.rotmat, offline.smpl.rotmat[-1], atol=1e-5)
    assert torch.allclose(live.box_px, track.box_px[-1], atol=1e-3)


def test_the_body_stands_where_its_keypoints_are(method, swaying):
    told = [sighting(index, points) for index, points in enumerate(swaying)]
    pose = last_answer(method, told).people[0]
    hips = cameras.project(pose.joints[1:3], cameras.default_camera(WIDTH, HEIGHT).K_px).mean(0)
    assert torch.dist(hips, pose.keypoints_px[11:13, :2].mean(0)) < 12
    assert pose.trans[2] == pytest.approx(4.0, abs=0.5)


@pytest.mark.parametrize("fps", [12.0, 24.0, 60.0])
def test_a_camera_of_another_rate_is_answered_frame_by_frame(method, swaying, fps):
    told = [sighting(index, points, fps=fps) for index, points in enumerate(swaying[:15])]
    moments = answers(method, told)
    assert [moment.index for moment in moments] == list(range(14))
    assert all(torch.isfinite(pose.joints).all() for moment in moments for pose in moment.people)
    assert len(moments[-1].people) == 1


def test_somebody_new_is_answered_for_after_a_tenth_of_a_second(method, swaying):
    told = [sighting(index, points) for index, points in enumerate(swaying[:8])]
    assert [len(moment.people) for moment in answers(method, told, 0)] == [0, 0, 0, 1, 1, 1, 1, 1]


def test_who_comes_back_keeps_their_number_and_who_is_elsewhere_gets_another(method, swaying):
    away = swaying + (260.0, 0.0, 0.0)
    told = [sighting(index, swaying[0], away[0]) for index in range(8)]
    told += [sighting(index, away[0], numbers=(2,)) for index in range(8, 30)]
    told += [sighting(index, away[0], swaying[0], numbers=(2, 7)) for index in range(30, 36)]
    people = last_answer(method, told).people
    assert [pose.number for pose in people] == [1, 2]
    assert people[0].trans[0] < people[1].trans[0]
    far = round(FPS * (2 * KNOWN_FOR))
    late = [*told[:8], *(sighting(index) for index in range(8, far))]
    late += [sighting(index, swaying[0], numbers=(9,)) for index in range(far, far + 6)]
    assert [pose.number for pose in last_answer(method, late).people] == [3]


def test_nobody_in_view_is_an_answer_too(method):
    moments = answers(method, [sighting(index) for index in range(5)], 2)
    assert [(moment.index, moment.people) for moment in moments] == [(0, ()), (1, ()), (2, ())]


def test_memory_does_not_grow_with_time(method, swaying):
    crowd = LiveEstimator(method, WIDTH, HEIGHT)
    for index in range(400):
        crowd.add(sighting(index, swaying[index % 40]))
    assert len(crowd._times) < 150
    assert all(len(person._seen) < 80 for person in crowd._here.values())


def test_weights_that_read_pictures_are_refused(method):
    pictures = replace(method, network=replace(method.network, evidence="images"))
    with pytest.raises(ValueError, match="choose weights that read keypoints"):
        LiveEstimator(pictures, WIDTH, HEIGHT)
