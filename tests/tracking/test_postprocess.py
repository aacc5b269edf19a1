from dataclasses import replace

import numpy as np
import pytest
import torch

from vibe import skeletons
from vibe.tracking import postprocess
from vibe.tracking import postprocess as finishing
from vibe.tracking.postprocess import PostprocessConfig, fill_gaps, find_spikes, smooth_keypoints
from vibe.tracking.rows import ROW, Rows
from vibe.tracking.tracklets import StoredTracklet, Tracklet, first_end, last_end

POSE = np.array(
    [(0, -140), (7, -145), (-7, -145), (14, -142), (-14, -142), (38, -100), (-38, -100), (48, -45), (-48, -45)]
    + [(50, 0), (-50, 0), (22, 0), (-22, 0), (25, 70), (-25, 70), (26, 140), (-26, 140)]
)


def person(frames, fps=30, start=(300.0, 300.0), velocity=(60.0, 0.0), hue=0):
    frames = np.asarray(frames)
    times = frames / fps
    centre = np.array(start) + times[:, None] * velocity
    keypoints = np.concatenate([centre[:, None] + POSE, np.full((len(frames), 17, 1), 0.8)], -1)
    region = np.concatenate([centre, np.full((len(frames), 1), 380.0), np.zeros((len(frames), 1))], 1)
    look = np.zeros((len(frames), 128))
    look[:, [hue, 64 + hue]] = 1
    return Tracklet(frames, times, keypoints.astype(np.float32), region.astype(np.float32), look.astype(np.float32))


def finish(pieces, times, how):
    """Through the rows, as a follower does."""
    rows, stretches = Rows(), []
    for piece in pieces:
        values = np.zeros(len(piece.frames), ROW)
        values["frame"], values["time"] = piece.frames, piece.times
        values["keypoints_px"], values["region"] = piece.keypoints_px, piece.region
        if piece.landmarks is not None:
            values["landmarks"] = piece.landmarks
        stretches.append(StoredTracklet(first_end(piece), last_end(piece), (rows.append(values),), len(stretches)))
    return finishing.finish_tracks(stretches, rows, times, how)


TIMES = np.arange(300) / 30


def test_a_gap_of_half_a_second_is_filled_on_a_straight_line_with_confidence_0():
    frames, keypoints, _ = fill_gaps(person([*range(10), *range(24, 40)]), TIMES, 0.5, 2.0)
    assert frames.tolist() == list(range(40))
    np.testing.assert_array_equal(keypoints[10:24, :, 2], 0)
    np.testing.assert_allclose(keypoints[..., :2], person(range(40)).keypoints_px[..., :2], rtol=1e-5)


def test_a_longer_gap_is_filled_for_a_quarter_of_a_second_at_each_end_and_keeps_one_number():
    seen = [person(range(30)), person(range(30 + 45, 120))]
    tracks, notes = finish(seen, TIMES, PostprocessConfig())
    assert [track.frames.tolist() for track in tracks] == [[*range(37), *range(68, 120)]]
    assert (tracks[0].confidence == 0).sum() == 14 and len(notes) == 1


def test_a_gap_of_more_than_two_seconds_makes_a_new_number():
    tracks, _ = finish([person(range(30)), person(range(95, 150))], TIMES, PostprocessConfig())
    assert len(tracks) == 2


def test_who_is_seen_too_briefly_is_dropped_with_a_note():
    tracks, notes = finish(
        [person(range(60)), person(range(100, 110), start=(900.0, 900.0), hue=5)], TIMES, PostprocessConfig()
    )
    assert len(tracks) == 1
    assert len(notes) == 1 and "0.3 s" in notes[0] and "dropped" in notes[0]


def test_what_is_never_sure_is_dropped_with_a_note_and_who_shows_in_half_is_kept():
    thing, half = person(range(90), start=(900.0, 900.0), hue=5), person(range(90), start=(900.0, 0.0), hue=9)
    thing.keypoints_px[..., 2] = 0.45
    half.keypoints_px[:, 8:, 2] = 0.02
    tracks, notes = finish([person(range(90)), thing, half], TIMES, PostprocessConfig())
    assert len(tracks) == 2 and half.keypoints_px[..., 2].mean() < thing.keypoints_px[..., 2].mean()
    assert len(notes) == 1 and "unsure" in notes[0] and "0.45" in notes[0]


def test_glimpses_with_long_gaps_between_them_do_not_make_a_person():
    glimpses = person([100, 101, 140, 141], start=(900.0, 900.0), hue=5)
    tracks, notes = finish([person(range(200)), glimpses], TIMES, PostprocessConfig())
    assert len(tracks) == 1 and "dropped" in notes[0]


def test_a_clip_of_one_frame_keeps_its_people():
    tracks, notes = finish([person([0])], TIMES[:1], PostprocessConfig())
    assert [track.frames.tolist() for track in tracks] == [[0]] and not notes


def test_what_was_repaired_is_told():
    seen = person([*range(20), *range(25, 60)])
    seen.keypoints_px[40] = postprocess.exchange(seen.keypoints_px[40], np.array([True, True]))
    _, notes = finish([seen], TIMES, PostprocessConfig())
    assert len(notes) == 2
    assert "person 1" in notes[0] and "1 frame " in notes[0] and "left and right" in notes[0]
    assert "person 1" in notes[1] and "5 frames " in notes[1] and "filled" in notes[1]


def with_landmarks(piece):
    """Of a model whose 33 points lie at the places of its COCO keypoints, in metres from the picture's corner."""
    landmarks = np.full((len(piece.frames), 33, 8), 0.9, np.float32)
    coco = skeletons.index(skeletons.BLAZEPOSE, skeletons.COCO)
    landmarks[..., :2] = piece.keypoints_px[:, [0], :2]
    landmarks[:, coco, :2] = piece.keypoints_px[..., :2]
    landmarks[..., 2:4] = landmarks[..., :2] / 200
    landmarks[..., 4] = np.arange(33)
    return replace(piece, landmarks=landmarks)


def test_landmarks_are_mended_and_filled_like_keypoints():
    seen, whole = person([*range(20), *range(25, 60)]), with_landmarks(person(range(60)))
    flipped = with_landmarks(seen)
    turn = np.array([True, True])
    flipped.keypoints_px[40] = postprocess.exchange(flipped.keypoints_px[40], turn)
    flipped.landmarks[40] = postprocess.exchange(flipped.landmarks[40], turn, postprocess.LANDMARK_HALVES)
    [track], _ = finish([flipped], TIMES, PostprocessConfig())
    np.testing.assert_allclose(track.landmarks[..., :2], whole.landmarks[..., :2], atol=0.1)
    away = np.abs(track.landmarks[..., 2:5].numpy() - whole.landmarks[..., 2:5]).max((1, 2))
    assert np.flatnonzero(away > 0.01).tolist() == [45] and (track.landmarks[45, 1:, 2:5] == 0).all()
    sure = track.landmarks[..., 5:].numpy()
    assert (sure[20:25] == 0).all() and (np.delete(sure, range(20, 25), 0) > 0.8).all()


def test_a_model_with_coco_s_points_alone_gives_no_landmarks():
    [track], _ = finish([person(range(60))], TIMES, PostprocessConfig())
    assert track.landmarks is None


def test_nobody_gives_no_tracks():
    assert finish([], TIMES, PostprocessConfig()) == ([], [])


def test_people_are_numbered_by_first_appearance_then_size():
    late, small = person(range(20, 80), start=(0.0, 0.0), hue=1), person(range(80), start=(900.0, 100.0), hue=2)
    small = Tracklet(small.frames, small.times, small.keypoints_px, small.region * np.float32(0.5), small.look)
    tracks, _ = finish([late, small, person(range(80), start=(400.0, 900.0), hue=3)], TIMES, PostprocessConfig())
    assert [int(track.frames[0]) for track in tracks] == [0, 0, 20]
    assert tracks[0].box_px[0, 1] > tracks[1].box_px[0, 1]


@pytest.mark.parametrize("fps", [15, 30, 60])
def test_smoothing_leaves_a_steady_motion_as_it_is(fps):
    times = np.sort(np.random.default_rng(0).uniform(0, 3, 3 * fps))
    line = np.stack([3 + 5 * times, 100 - 40 * times], -1)
    np.testing.assert_allclose(smooth_keypoints(line, times, 0.1), line, atol=1e-6)


def test_smoothing_has_no_lag():
    times = np.arange(300) / 60
    wave = np.sin(2 * np.pi * times)[:, None]
    smoothed = smooth_keypoints(wave, times, 0.1)
    lags = [float((smoothed[60:240] * wave[60 + shift : 240 + shift]).sum()) for shift in range(-5, 6)]
    assert int(np.argmax(lags)) == 5


def test_smoothing_takes_out_jitter():
    times = np.arange(300) / 30
    noise = np.random.default_rng(0).normal(size=(300, 4))
    assert smooth_keypoints(noise, times, 0.1).std() < 0.5


def test_a_spike_is_found_and_a_fast_motion_is_not():
    steady = person(range(60), velocity=(900.0, 300.0)).keypoints_px
    steady = steady + np.random.default_rng(0).normal(size=steady.shape) * (2, 2, 0)
    spiked = steady.copy()
    spiked[30, 9, 0] += 80
    found = find_spikes(spiked, TIMES[:60], 0.12, 0.06)
    assert found[30, 9] and found.sum() == 1


@pytest.mark.parametrize("chunk", [7, 1000])
def test_spikes_of_a_long_track_are_those_of_its_parts(chunk, monkeypatch):
    points = person(range(60)).keypoints_px + np.random.default_rng(0).normal(size=(60, 17, 3)) ** 5 * (1, 1, 0)
    whole = find_spikes(points, TIMES[:60], 0.12, 0.0)
    monkeypatch.setattr("vibe.tracking.postprocess.CHUNK", chunk)
    np.testing.assert_array_equal(find_spikes(points, TIMES[:60], 0.12, 0.0), whole)
    assert whole.any()


@pytest.mark.parametrize("chunk", [7, 50])
def test_a_long_track_is_smoothed_as_its_parts_are(chunk, monkeypatch):
    times = np.sort(np.random.default_rng(0).uniform(0, 4, 100))
    values = np.random.default_rng(1).normal(size=(100, 4))
    whole = smooth_keypoints(values, times, 0.1)
    monkeypatch.setattr("vibe.tracking.postprocess.CHUNK", chunk)
    np.testing.assert_allclose(smooth_keypoints(values, times, 0.1), whole, rtol=0, atol=1e-12)


def test_a_track_is_a_record_of_the_right_types_and_its_boxes_hold_the_person():
    [track], _ = finish([person(range(60))], TIMES, PostprocessConfig())
    assert track.frames.dtype == torch.int64 and track.box_px.dtype == track.keypoints_px.dtype == torch.float32
    low, high = (track.box_px[:, None, :2] + sign * track.box_px[:, None, 2:] / 2 for sign in (-1, 1))
    points = track.keypoints_px[..., :2]
    assert ((points >= low - 1) & (points <= high + 1)).all()
