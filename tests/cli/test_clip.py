"""`vibe make-clip`."""

import pytest

from vibe import cli
from vibe.video.read import count_frames


def test_a_clip_is_as_long_as_asked_and_the_same_each_time(tmp_path):
    for name in ("one.mp4", "two.mp4"):
        assert cli.main(["make-clip", str(tmp_path / name), "--seconds", "0.1"]) == 0
    assert count_frames(tmp_path / "one.mp4") == 3
    assert (tmp_path / "one.mp4").read_bytes() == (tmp_path / "two.mp4").read_bytes()


@pytest.mark.parametrize("seconds", ["0", "-1", "61", "nan", "inf"])
def test_a_length_that_makes_no_clip_is_wrong_usage(seconds, tmp_path, capsys):
    assert cli.main(["make-clip", str(tmp_path / "clip.mp4"), "--seconds", seconds]) == 2
    assert "choose --seconds between 0 and 60" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
