"""`vibe make-clip`."""

import pytest

from vibe import cli
from vibe.video.read import count_frames


def test_a_clip_is_as_long_as_asked(tmp_path):
    assert cli.main(["make-clip", str(tmp_path / "clip.mp4"), "--seconds", "0.1"]) == 0
    assert count_frames(tmp_path / "clip.mp4") == 3


@pytest.mark.parametrize("seconds", ["0", "-1", "61", "nan", "inf"])
def test_a_length_that_makes_no_clip_is_wrong_usage(seconds, tmp_path, capsys):
    assert cli.main(["make-clip", str(tmp_path / "clip.mp4"), "--seconds", seconds]) == 2
    assert "choose --seconds between 0 and 60" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
