import json
from types import SimpleNamespace

import pytest
from two_views import two_views

import vibe
from vibe import cli
from vibe.inference import estimate, together
from vibe.render import film
from vibe.viewer import page


@pytest.fixture
def pretended(monkeypatch):
    """An estimator that always finds the same walk."""
    result = two_views()
    found = SimpleNamespace(config=None, network=None, body=None, estimate_together=lambda paths, **rest: result)
    monkeypatch.setattr(estimate, "load_estimator", lambda config: found)
    monkeypatch.setattr(together, "check_videos", lambda paths, config, network: paths)


def test_one_motion_with_all_cameras_is_written_under_the_names_of_the_videos(pretended, tmp_path, capsys):
    out = str(tmp_path / "out")
    assert cli.main(["estimate", "left.mp4", "right.mp4", "--together", "--no-overlay", "-o", out]) == 0
    folder = tmp_path / "out" / "left+right"
    assert sorted(path.name for path in folder.iterdir()) == ["motion.npz", "summary.json"]
    assert len(vibe.load(folder / "motion.npz").views) == 2
    views = json.loads((folder / "summary.json").read_bytes())["views"]
    assert [view["offset_s"] for view in views] == [0.0, -0.5]
    assert "two.mp4" in capsys.readouterr().out


def test_of_three_videos_of_which_one_is_left_out_two_films_and_the_page_are_drawn(pretended, tmp_path, monkeypatch):
    monkeypatch.setattr(film, "write_overlay", lambda video, seen, path, *rest: path.write_text(video.name))
    monkeypatch.setattr(page, "view", lambda result, path, videos, *rest, **more: path.write_text(str(len(videos))))
    given = ["estimate", "one.mp4", "other.mp4", "two.mp4", "--together", "--page", "-o", str(tmp_path / "out")]
    assert cli.main(given) == 0
    folder = tmp_path / "out" / "one+other+two"
    films = [path.name for path in vibe_paths(folder)]
    assert [(folder / f"overlay_{number}.mp4").read_text() for number in (1, 2)] == films
    assert (folder / "page.html").read_text() == "2" and not (folder / "overlay_3.mp4").exists()
    assert json.loads((folder / "summary.json").read_bytes())["files"] == [
        "motion.npz", "overlay_1.mp4", "overlay_2.mp4", "page.html", "summary.json"
    ]  # fmt: skip


def vibe_paths(folder):
    return [view.clip.path for view in vibe.load(folder / "motion.npz").views]


def test_what_cannot_be_estimated_together_is_wrong_usage_and_leaves_nothing(tmp_path, capsys):
    for name in ("one.mp4", "two.mp4"):
        (tmp_path / name).write_bytes(b"the same")
    videos = [str(tmp_path / name) for name in ("one.mp4", "two.mp4")]
    for given, why in (
        (videos[:1], "give 2 to 8"),
        (videos, "are the same video"),
        ([*videos, "--no-refine"], "our own fit"),
        (["s3://bucket/one.mp4", *videos], "copy the videos here first"),
        ([videos[0], str(tmp_path / "three.mp4")], "three.mp4"),
    ):
        assert cli.main(["estimate", *given, "--together", "-o", str(tmp_path / "out")]) == 2
        assert why in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
