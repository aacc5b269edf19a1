"""`vibe view`: the page where it was asked for, or one line that says what is wrong."""

import base64
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import performers
import pytest
import torch
from two_views import two_views

from vibe import cli
from vibe.body import load_body
from vibe.inference import estimate
from vibe.motion import load
from vibe.video.write import VideoWriter
from vibe.viewer import page

if not page.TEMPLATE.is_file():
    pytest.skip("vibe was installed without its page (npm could not fetch its packages)", allow_module_level=True)


def run(*arguments: object) -> int:
    return cli.main(["view", *map(str, arguments)])


@pytest.fixture
def motion(tmp_path, monkeypatch) -> Path:
    """A motion file of one person, and beside it the video that it names."""
    monkeypatch.chdir(tmp_path)
    body = load_body(detail="low")
    shown = performers.show(body, performers.performer(body, torch.arange(8)))
    times = torch.arange(8, dtype=torch.float64) / 25
    with VideoWriter(tmp_path / "clip.mp4", 64, 36, 25) as writer:
        for time in times.tolist():
            writer.write(np.full((36, 64, 3), 90, np.uint8), time)
    replace(shown, clip=replace(shown.clip, width=64, height=36, timestamps=times)).save(tmp_path / "motion.npz")
    return tmp_path / "motion.npz"


def has_film(path: Path) -> bool:
    return 'data-kind="video/mp4"' in path.read_text(encoding="utf-8")


def test_the_page_is_written_where_it_was_asked_for_with_the_video_that_the_motion_names(motion, tmp_path, capsys):
    assert run(motion, "-o", tmp_path / "new" / "a.html") == 0
    assert capsys.readouterr().out == f"{tmp_path / 'new' / 'a.html'}\n"
    assert has_film(tmp_path / "new" / "a.html")
    assert run(motion, tmp_path / "clip.mp4", "-o", tmp_path / "b.html") == 0
    assert (tmp_path / "b.html").read_bytes() == (tmp_path / "new" / "a.html").read_bytes()


def test_no_video_leaves_it_out(motion, tmp_path):
    assert run(motion, "--no-video", "-o", tmp_path / "a.html") == 0
    assert not has_film(tmp_path / "a.html")


def test_a_video_that_is_gone_is_left_out_with_a_word(motion, tmp_path, capsys):
    (tmp_path / "clip.mp4").unlink()
    assert run(motion, "-o", tmp_path / "a.html") == 0
    assert "its video clip.mp4 is not here" in capsys.readouterr().err
    assert not has_film(tmp_path / "a.html")


def test_without_a_name_the_browser_opens_it(motion, monkeypatch, capsys):
    opened = []
    monkeypatch.setattr(page.webbrowser, "open", opened.append)
    for arguments in ([], ["-o", ""]):
        assert run(motion, *arguments) == 0
        written = Path(capsys.readouterr().out.strip())
        assert opened.pop() == written.as_uri() and not Path("page.html").exists()
        written.unlink()
        written.parent.rmdir()


@pytest.mark.parametrize("command", ["view", "refit", "edit"])
def test_help_says_that_several_videos_may_be_given(command, capsys):
    assert cli.main([command, "-h"]) == 0
    assert "MOTION.npz|DIR [VIDEO ...]" in capsys.readouterr().out


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-300])


def of_the_future(path: Path) -> None:
    arrays = dict(np.load(path))
    np.savez(path, **(arrays | {"format": np.array("vibe-motion 99")}))


def not_finite(path: Path) -> None:
    result = load(path)
    person = result.people[0]
    replace(result, people=(replace(person, transl=person.transl * float("nan")),)).save(path)


@pytest.mark.parametrize(
    ("damage", "said"), [(cut_off, "damaged"), (of_the_future, "vibe-motion 99"), (not_finite, "not finite")]
)
def test_a_motion_file_that_is_damaged_leaves_no_page(motion, tmp_path, capsys, damage, said):
    damage(motion)
    assert run(motion, "-o", tmp_path / "a.html") == 1
    complaint = capsys.readouterr().err.strip()
    assert said in complaint and complaint.splitlines()[-1].startswith("vibe: ")
    assert not (tmp_path / "a.html").exists()


def test_a_video_that_does_not_fit_or_is_too_large_leaves_no_page(motion, tmp_path, capsys):
    with VideoWriter(tmp_path / "other.mp4", 32, 36, 25) as writer:
        for index in range(8):
            writer.write(np.zeros((36, 32, 3), np.uint8), index / 25)
    assert run(motion, tmp_path / "other.mp4", "-o", tmp_path / "a.html") == 1
    assert "does not fit the motion" in capsys.readouterr().err
    assert run(motion, "--limit", "0.0001", "-o", tmp_path / "a.html") == 1
    assert "higher --limit, or --no-video" in capsys.readouterr().err
    assert not (tmp_path / "a.html").exists()


def test_the_video_is_not_overwritten_named_or_found(motion, tmp_path, capsys):
    film = (tmp_path / "clip.mp4").read_bytes()
    for arguments in ([motion, "clip.mp4"], [motion]):
        assert run(*arguments, "-o", "clip.mp4") == 2
        assert "would be overwritten" in capsys.readouterr().err
    assert (tmp_path / "clip.mp4").read_bytes() == film


def test_wrong_usage_is_refused_with_what_to_do(motion, tmp_path, capsys):
    for arguments, said in (
        ([motion, tmp_path / "clip.mp4", "--no-video"], "give one of them"),
        ([motion, "--limit", "0"], "--no-video"),
        ([motion, "-o", motion], "overwritten"),
    ):
        assert run(*arguments) == 2
        assert said in capsys.readouterr().err


def test_a_folder_and_a_place_that_ends_in_a_slash_hold_the_page(motion, tmp_path, capsys):
    (tmp_path / "there").mkdir()
    for place in ("there", "new/deep/"):
        assert run(motion, "-o", f"{tmp_path}/{place}") == 0
        assert capsys.readouterr().out == f"{tmp_path / place / 'page.html'}\n"
        assert has_film(tmp_path / place / "page.html")
    assert run(motion, "nothing.mp4", "-o", f"{tmp_path}/gone/") == 1
    assert not (tmp_path / "gone").exists()


@pytest.fixture
def two_cameras(tmp_path, monkeypatch) -> Path:
    """A motion file of two cameras; their videos lie under other names than those that it has."""
    monkeypatch.chdir(tmp_path)
    result = two_views()
    for name, view in zip(("left.mp4", "right.mp4"), result.views, strict=True):
        with VideoWriter(tmp_path / name, view.clip.width, view.clip.height, view.clip.fps) as writer:
            for time in view.clip.timestamps.tolist():
                writer.write(np.full((view.clip.height, view.clip.width, 3), 90, np.uint8), time)
    result.save(tmp_path / "motion.npz")
    return tmp_path / "motion.npz"


def films(path: Path) -> list[str]:
    return re.findall(r'id="film-data-(\d)"', path.read_text(encoding="utf-8"))


def test_each_camera_s_video_is_given_in_the_order_of_the_cameras(two_cameras, capsys):
    assert run(two_cameras, "left.mp4", "right.mp4", "-o", "a.html") == 0
    assert films(Path("a.html")) == ["1", "2"]
    assert run(two_cameras, "left.mp4", "-o", "b.html") == 0
    assert films(Path("b.html")) == ["1"]
    Path("right.mp4").rename("two.mp4")
    assert run(two_cameras, "left.mp4", "-o", "c.html") == 0
    assert (Path("c.html").read_bytes(), films(Path("c.html"))) == (Path("a.html").read_bytes(), ["1", "2"])
    for given, said in (
        (["two.mp4", "left.mp4"], "two.mp4 does not fit the motion"),
        (["left.mp4", "two.mp4", "left.mp4"], "3 videos were given for a motion of 2 cameras: give one for each"),
    ):
        assert run(two_cameras, *given, "-o", "d.html") == 1
        assert said in capsys.readouterr().err
    assert not Path("d.html").exists()


def test_the_videos_of_the_cameras_that_are_here_are_shown_and_the_others_are_named(two_cameras, capsys):
    Path("right.mp4").rename("two.mp4")
    assert run(two_cameras, "-o", "a.html") == 0
    assert films(Path("a.html")) == ["2"]
    assert "its video one.mp4 is not here: the bodies are shown alone from its camera" in capsys.readouterr().err
    assert run(two_cameras, "--no-video", "-o", "b.html") == 0
    assert films(Path("b.html")) == [] and capsys.readouterr().err == ""


def test_the_limit_is_shared_by_the_videos_that_are_here(two_cameras, tmp_path):
    result, whole = load(two_cameras), Path("right.mp4").stat().st_size / 1e6
    page.view(result, tmp_path / "a.html", [None, "right.mp4"], limit_mb=1.01 * whole)
    assert base64.b64encode(Path("right.mp4").read_bytes()).decode() in Path("a.html").read_text(encoding="utf-8")


@pytest.fixture
def found(motion, monkeypatch) -> None:
    """Lets `vibe estimate` find what the motion file holds."""
    monkeypatch.setattr(estimate, "estimate", lambda *_, **__: load(motion))


def test_estimate_writes_the_page_with_its_other_files(found, tmp_path):
    assert cli.main(["estimate", "clip.mp4", "-o", "out", "--page", "--no-overlay"]) == 0
    folder = tmp_path / "out" / "clip"
    assert sorted(path.name for path in folder.iterdir()) == ["motion.npz", "page.html", "summary.json"]
    assert has_film(folder / "page.html")
    assert json.loads((folder / "summary.json").read_text())["files"] == ["motion.npz", "page.html", "summary.json"]


def test_a_video_too_large_for_the_page_fails_no_estimate(found, tmp_path, monkeypatch):
    def too_large(*_, **__):
        raise page.TooLarge("it is too large")

    monkeypatch.setattr(page, "read_film", too_large)
    assert cli.main(["estimate", "clip.mp4", "-o", "out", "--page", "--no-overlay"]) == 0
    folder = tmp_path / "out" / "clip"
    assert not has_film(folder / "page.html")
    assert any(
        "the page shows the bodies alone" in note for note in json.loads((folder / "summary.json").read_text())["notes"]
    )
