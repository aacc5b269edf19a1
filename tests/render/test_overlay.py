"""Laws of the overlay."""

from dataclasses import replace

import av
import numpy as np
import pytest

from vibe.render.film import write_overlay
from vibe.video.read import open_video

WIDTH, HEIGHT, FRAMES = 160, 120, 40


@pytest.fixture(scope="module")
def written(filmed, low, tmp_path_factory):
    """The overlay's frames, its clip, and what was told of the progress."""
    path, seen = tmp_path_factory.mktemp("overlay") / "out.mp4", []
    write_overlay(filmed.clip.path, filmed, path, low, lambda *step: seen.append(step))
    with open_video(path) as video:
        return [frame.rgb.astype(int) for frame in video], video.clip(), seen, path


def test_people_are_drawn_in_their_frames_and_only_there(filmed, written):
    frames, clip, seen, _ = written
    assert np.abs(clip.timestamps.numpy() - filmed.clip.timestamps).max() < 1e-5
    assert (clip.width, clip.height, len(frames)) == (WIDTH, HEIGHT, FRAMES)
    left = np.array([np.abs(frame[:, : WIDTH // 2 - 10] - 128).max() for frame in frames])
    right = np.array([np.abs(frame[:, WIDTH // 2 + 10 :] - 128).max() for frame in frames])
    assert (left[10:30] > 60).all() and (left[:9] < 25).all() and (left[31:] < 25).all() and (right > 60).all()
    assert seen[-1] == ("overlay", FRAMES, FRAMES)


def test_colours_are_steady_and_differ(filmed, written):
    places = [motion.joints_px[0, 0].astype(int).tolist() for motion in filmed.people]
    tints = [[frame[y - 4 : y + 4, x - 3 : x + 3].mean((0, 1)) for frame in written[0][12:28]] for x, y in places]
    assert max(np.ptp(tint, axis=0).max() for tint in tints) < 12
    assert np.abs(np.mean(tints[0], 0) - np.mean(tints[1], 0)).max() > 50


def test_it_is_a_video_that_plays_everywhere(written):
    with av.open(str(written[3])) as container:
        assert container.streams.video[0].codec_context.name == "h264"


def test_nobody_gives_the_video_as_it_was(filmed, tmp_path):
    write_overlay(filmed.clip.path, replace(filmed, people=()), tmp_path / "out.mp4")
    with open_video(tmp_path / "out.mp4") as video:
        assert all(np.abs(frame.rgb.astype(int) - 128).max() < 6 for frame in video)


def test_an_interrupted_overlay_leaves_nothing_and_does_not_touch_the_video(filmed, tmp_path, low):
    def stop(stage, done, total):
        if done == 5:
            raise KeyboardInterrupt

    before = filmed.clip.path.read_bytes()
    with pytest.raises(KeyboardInterrupt):
        write_overlay(filmed.clip.path, filmed, tmp_path / "out.mp4", low, stop)
    assert list(tmp_path.iterdir()) == []
    assert filmed.clip.path.read_bytes() == before
