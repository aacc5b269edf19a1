"""Laws of the first pass over a video: whenever it ends, another one goes on as if nothing had happened."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from itertools import islice
from pathlib import Path

import boards
import cv2
import numpy as np
import pytest
import torch

from vibe.cache import StageCache
from vibe.inference import track as following
from vibe.inference.predict import Timeline
from vibe.inference.refine import landmarks_at
from vibe.records import Track
from vibe.tracking import active_track, rows
from vibe.tracking.active_track import SPARING, TrackerConfig
from vibe.tracking.frames import CutDetector
from vibe.tracking.tracker import Tracker
from vibe.video.read import open_video

FRAMES = 150


class Ended(Exception):
    """Raised in the middle of a pass."""


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return boards.film(tmp_path_factory.mktemp("film") / "film.mp4", FRAMES)


@pytest.fixture(scope="module")
def undisturbed(film):
    found = following.track_video(film, boards.detect, boards.Pose())
    assert len(found.tracks) >= 3
    return found


@pytest.fixture
def often(monkeypatch):
    """A state after each frame, and frames that leave memory early."""
    monkeypatch.setattr(following, "EVERY", 0.0)
    monkeypatch.setattr(active_track, "LEAST", 20)
    monkeypatch.setattr(rows, "CHUNK", 16)


def follow(film, folder, ends=None, how=None):
    """A pass that ends before its time."""

    def progress(what, done, most):
        if done == ends:
            raise Ended

    return following.track_video(film, boards.detect, boards.Pose(), folder, progress, how=how)


def same(one, other):
    clips = [{**vars(each.clip), "timestamps": each.clip.timestamps.tolist()} for each in (one, other)]
    tracks = [
        [{name: value.tolist() for name, value in vars(each).items()} for each in found.tracks]
        for found in (one, other)
    ]
    behind = [{name: value.tolist() for name, value in vars(each.background).items()} for each in (one, other)]
    return clips[0] == clips[1] and tracks[0] == tracks[1] and one.notes == other.notes and behind[0] == behind[1]


def test_a_pass_that_ends_again_and_again_finds_what_an_undisturbed_one_finds(film, undisturbed, often, tmp_path):
    for ends in (1, 2, 57, 91, 92, 140, FRAMES):
        with pytest.raises(Ended):
            follow(film, tmp_path, ends)
    assert same(follow(film, tmp_path), undisturbed)
    assert list(tmp_path.iterdir()) == []


def swing(time):
    """One board that swings from side to side."""
    rgb = np.full((boards.HEIGHT, boards.WIDTH, 3), 128, np.uint8)
    x = round(160 + 80 * np.sin(2 * time))
    rgb[60:120, x - 12 : x + 12] = boards.COLOURS[0]
    return rgb


@pytest.mark.parametrize("fps", [50, 60, 120])
def test_of_a_quick_film_every_other_frame_is_read_where_time_is_saved_and_the_tracks_have_all(fps, often, tmp_path):
    count = 3 * fps
    quick = boards.film(tmp_path / "quick.mp4", count, fps, swing)
    every, other = (following.track_video(quick, boards.detect, boards.Pose(), how=how) for how in (None, SPARING))
    [one], [two] = every.tracks, other.tracks
    assert one.frames.tolist() == two.frames.tolist() == list(range(count))
    assert two.confidence.min() == one.confidence.min() > 0
    assert (one.keypoints_px - two.keypoints_px).abs().max() < 2
    for ends in (3, 58, 59, count - 1):
        folder = tmp_path / str(ends)
        folder.mkdir()
        with pytest.raises(Ended):
            follow(quick, folder, ends, SPARING)
        assert same(follow(quick, folder, how=SPARING), other)


def frames_read(film, how: TrackerConfig | None = SPARING):
    read = []

    class Noted(Tracker):
        def step(self, index, time, rgb):
            read.append(index)
            return super().step(index, time, rgb)

    with open_video(film) as video:
        following.track_frames(video, Noted(boards.detect, boards.Pose(), how))
    return read


def test_which_frames_are_read_depends_on_how_soon_they_come_and_the_last_one_is(tmp_path):
    for fps, how, wanted in ((30, SPARING, 1), (48, SPARING, 1), (60, SPARING, 2), (240, SPARING, 2), (60, None, 1)):
        film = boards.film(tmp_path / "film.mp4", 14, fps, swing)
        assert frames_read(film, how) == sorted({*range(0, 14, wanted), 13})


def test_of_somebody_who_moves_slowly_every_other_frame_is_read_and_of_a_quick_one_each(tmp_path):
    paint = {
        "slow": lambda time: swing(0.05 * time),
        "quick": lambda time: swing(4 * time),
        "two who meet": lambda time: np.minimum(swing(0.05 * time), np.roll(swing(0.05 * time), -20, 1)),
    }
    read = {what: frames_read(boards.film(tmp_path / "film.mp4", 90, 30, each)) for what, each in paint.items()}
    assert len(read["slow"]) < 60 and set(range(15)) <= set(read["slow"])
    assert all(later - one <= 2 for one, later in zip(read["slow"], read["slow"][1:], strict=False))
    assert len(read["quick"]) == 90
    assert len(read["two who meet"]) == 90


@pytest.mark.parametrize("cut", [46, 47])
def test_at_a_cut_the_tracks_have_the_last_frame_before_it_and_the_first_after_it(cut, tmp_path):
    random = np.random.default_rng(3)
    coarse = random.integers(90, 150, (2, 9, 16), np.uint8)
    places = [np.asarray(cv2.resize(each, (boards.WIDTH, boards.HEIGHT))) for each in coarse]

    def paint(time):
        grey = places[int(round(60 * time) >= cut)][..., None].repeat(3, 2)
        x = 200 if round(60 * time) >= cut else 100
        grey[60:120, x - 12 : x + 12] = boards.COLOURS[0]
        return grey

    film = boards.film(tmp_path / "film.mp4", 96, 60, paint)
    for how in (None, SPARING):
        found = following.track_video(film, boards.detect, boards.Pose(), how=how)
        assert [track.frames.tolist() for track in found.tracks] == [[*range(cut)], [*range(cut, 96)]]
        assert sum("cut" in note for note in found.notes) == 1


@pytest.mark.parametrize("cut", [46, 47])
def test_the_first_and_the_last_frame_of_a_scene_are_read(cut, tmp_path, monkeypatch):
    film = boards.film(tmp_path / "film.mp4", 90, 30, lambda time: swing(0.05 * time))
    monkeypatch.setattr(CutDetector, "step", lambda self, time, rgb: round(30 * time) == cut)
    read = frames_read(film)
    assert {cut - 1, cut} <= {*read} and len(read) < 75


def test_frames_that_have_left_memory_are_in_the_tracks_as_they_were(film, undisturbed, often, tmp_path, monkeypatch):
    short = following.track_video(film, boards.detect, boards.Pose())
    monkeypatch.setattr(active_track, "LEAST", 10**6)
    assert same(following.track_video(film, boards.detect, boards.Pose()), undisturbed)
    assert same(short, undisturbed)


def test_what_is_kept_of_a_person_in_sight_does_not_grow(monkeypatch):
    monkeypatch.setattr(active_track, "LEAST", 50)
    follower, most = Tracker(boards.detect, boards.Pose()), 0
    for index in range(300):
        follower.step(index, index / 30, boards.paint(0.2))
        most = max(most, *(len(one.frames) for one in follower._live), 0)
    assert most < active_track.LEAST + active_track.SLIDE + 0.3 * 30
    assert [len(track.frames) for track in follower.finish()[0]] == [300] * 3


def test_a_pass_that_is_killed_again_and_again_finds_what_an_undisturbed_one_finds(film, undisturbed, tmp_path):
    script, random = Path(__file__).parents[1] / "fixtures" / "killed_follower.py", np.random.default_rng(3)
    folder, out, kills = tmp_path / "folder", tmp_path / "out.npz", 0
    folder.mkdir()
    command = [sys.executable, str(script), str(film), str(folder), str(out)]
    while True:
        process = subprocess.Popen(command)
        while process.poll() is None and kills < 2 and not list(folder.glob("state/*")):
            time.sleep(0.005)
        if kills < 2 and process.poll() is None:
            time.sleep(random.uniform(0, 0.3))
            process.kill()
            kills += 1
        if process.wait(600) == 0:
            break
    assert kills == 2
    with np.load(out, allow_pickle=False) as found:
        assert np.array_equal(found["times"], undisturbed.clip.timestamps.numpy())
        assert found["notes"].tolist() == undisturbed.notes
        for number, track in enumerate(undisturbed.tracks):
            for name, values in vars(track).items():
                assert np.array_equal(found[f"{number}/{name}"], values.numpy())
    assert list(folder.iterdir()) == []


def test_a_pass_goes_on_where_it_was(film, often, tmp_path):
    with pytest.raises(Ended):
        follow(film, tmp_path, 100)
    seen: list[float] = []
    following.track_video(film, boards.detect, boards.Pose(), tmp_path, lambda what, done, most: seen.append(done))
    assert seen[0] == 101 and seen[-1] == FRAMES


def damage(file, place=0.5):
    content = bytearray(file.read_bytes())
    content[int(place * len(content))] ^= 255
    file.write_bytes(content)


@pytest.mark.parametrize("what", ["state", "state cut off", "rows", "rows cut off", "rows gone", "another film"])
def test_a_state_of_no_use_is_told_of_and_the_pass_begins_anew(what, film, undisturbed, often, tmp_path):
    folder, watched = tmp_path / "folder", tmp_path / "film.mp4"
    folder.mkdir()
    watched.write_bytes(film.read_bytes())
    with pytest.raises(Ended):
        follow(watched, folder, 70)
    chunks, [state] = sorted((folder / "rows").iterdir()), (folder / "state").iterdir()
    if what == "another film":
        watched.write_bytes(boards.film(tmp_path / "other.mp4", FRAMES, fps=25).read_bytes())
        undisturbed = following.track_video(watched, boards.detect, boards.Pose())
    elif what == "rows gone":
        chunks[0].unlink()
    elif what.endswith("cut off"):
        file = chunks[0] if "rows" in what else state
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    else:
        damage(chunks[0] if what == "rows" else state)
    found = follow(watched, folder)
    notes = found.notes
    assert len(notes) == len(undisturbed.notes) + 1 and "\n" not in notes[-1], notes
    clip = replace(undisturbed.clip, path=watched)
    assert same(replace(found, notes=notes[:-1]), replace(undisturbed, clip=clip))
    assert list(folder.iterdir()) == []


def test_other_models_begin_anew(film, often, tmp_path):
    class Other(boards.Pose):
        pass

    with pytest.raises(Ended):
        follow(film, tmp_path, 3)
    notes = following.track_video(film, boards.detect, Other(), tmp_path).notes
    assert "other settings" in notes[-1]


def test_a_video_that_cannot_be_read_is_told_of_as_ever(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing.mp4"):
        following.track_video(tmp_path / "nothing.mp4", boards.detect, boards.Pose(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_pictures_gives_the_tracks_of_its_video_at_the_rate_that_is_named(film, tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    with open_video(film) as video:
        for frame in islice(video, 40):
            cv2.imwrite(str(pictures / f"{frame.index}.png"), frame.rgb[..., ::-1])
    found = following.track_video(pictures, boards.detect, boards.Pose(), fps=30)
    assert found.clip.fps == pytest.approx(30) and len(found.tracks) >= 2
    found = following.track_video(pictures, boards.detect, boards.Pose(), fps=25)
    assert found.clip.timestamps.tolist() == pytest.approx([index / 25 for index in range(40)])
    assert len(found.tracks) >= 2


def test_kept_tracks_come_back_with_their_landmarks_where_they_have_any(film, undisturbed, monkeypatch, tmp_path):
    tracks = undisturbed.tracks
    some = replace(undisturbed, tracks=[replace(tracks[0], landmarks=None), *tracks[1:]])
    monkeypatch.setattr(following, "track_video", lambda *_: some)
    found = []
    for _ in range(2):
        with StageCache(tmp_path, {following.STAGE: "0" * 32}) as stages:
            found.append(following.track_people(film, boards.detect, boards.Pose(), stages, None))
        monkeypatch.setattr(following, "track_video", None)
    for once, again in zip(found[0].tracks, found[1].tracks, strict=True):
        assert torch.equal(once.keypoints_px, again.keypoints_px)
        assert (once.landmarks is None) == (again.landmarks is None)
        assert once.landmarks is None or torch.equal(once.landmarks, again.landmarks)
    assert [track.landmarks is None for track in found[1].tracks] == [True, *[False] * (len(tracks) - 1)]


def test_landmarks_are_read_at_the_network_s_moments():
    times = torch.cat([torch.arange(60) / 60, 3 + torch.arange(45) / 30]).double()
    landmarks = torch.full((105, 33, 8), 0.9)
    landmarks[..., :5] = times.float()[:, None, None] * torch.arange(1, 6)
    track = Track(torch.arange(105), torch.rand(105, 4), torch.rand(105, 17, 3), landmarks)
    moments = torch.cat([torch.arange(30) / 30, 3 + torch.arange(45) / 30]).double()
    line = Timeline(moments, (slice(0, 60), slice(60, 105)), (slice(0, 30), slice(30, 75)), False)
    whole = landmarks_at(track, times, line, slice(0, 75))
    assert whole is not None and whole.shape == (75, 33, 6)
    torch.testing.assert_close(whole[30:, :, 5], landmarks[60:, :, 5:].prod(-1))
    inner = torch.cat([whole[2:28], whole[32:]])
    expected = torch.cat([moments[2:28], moments[32:]]).float()[:, None, None] * torch.arange(1, 6)
    assert (inner[..., :5] - expected).abs().max() < 1e-3
    torch.testing.assert_close(landmarks_at(track, times, line, slice(20, 50)), whole[20:50])
    assert landmarks_at(replace(track, landmarks=None), times, line, slice(0, 75)) is None


def test_everybody_in_a_picture_is_found_where_a_search_finds_one_at_a_time(tmp_path):
    def detect_one(rgb):
        found = boards.detect(rgb)
        return replace(found, box_px=found.box_px[:1], score=found.score[:1])

    cv2.imwrite(str(tmp_path / "picture.png"), boards.paint(2.0)[..., ::-1])
    found = following.track_video(tmp_path / "picture.png", detect_one, boards.Pose())
    assert len(found.clip.timestamps) == 1
    assert [track.frames.tolist() for track in found.tracks] == [[0]] * 3
    assert len({round(float(track.box_px[0, 0])) for track in found.tracks}) == 3
