"""What is read of a video's sound to be compared."""

from pathlib import Path

import numpy as np
import pytest

from vibe.video import sound
from vibe.video.sound import RATE, read_sound


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "aac"), ("a.ts", "aac"), ("a.mkv", "pcm_s16le")])
def test_sound_is_read_from_the_first_picture_on(make_video, name, codec):
    """The first picture comes half a second after the sound begins, the tone after a second."""
    heard = read_sound(make_video(name, ticks=[500 + 40 * i for i in range(50)], sound=codec))
    assert heard is not None and heard.dtype == np.float32
    assert np.flatnonzero(abs(heard) > 0.2)[0] / RATE == pytest.approx(0.5, abs=0.005)
    assert len(heard) / RATE == pytest.approx(2.0, abs=0.1)


def test_no_more_is_read_than_is_compared(make_video, monkeypatch):
    monkeypatch.setattr(sound, "LONGEST", 0.7)
    heard = read_sound(make_video(frames=50, sound="aac"))
    assert heard is not None and len(heard) == round(0.7 * RATE)


def test_a_video_without_sound_and_what_is_no_video_have_none(make_video, tmp_path):
    (tmp_path / "no.mp4").write_bytes(b"no video")
    assert all(read_sound(path) is None for path in (make_video(), tmp_path / "no.mp4", Path("absent.mp4"), tmp_path))


def test_damaged_sound_is_read_as_far_as_it_goes_and_odd_rates_are_not(make_video, tmp_path, monkeypatch):
    whole = make_video("a.ts", frames=50, sound="aac").read_bytes()
    (tmp_path / "cut.ts").write_bytes(whole[: len(whole) // 2])
    heard = read_sound(tmp_path / "cut.ts")
    assert heard is None or len(heard) < 2 * RATE
    monkeypatch.setattr(sound, "TAKEN", range(4000, 40_000))
    assert read_sound(tmp_path / "a.ts") is None
