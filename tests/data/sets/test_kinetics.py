"""Kinetics-400 and folders of videos: true video files, with the shipped detector or one that is told whom to see."""

from pathlib import Path

import av
import numpy as np
import pytest
import torch

from vibe import assets
from vibe.data.prepare import prepare
from vibe.data.sets import videos
from vibe.data.sets.videos import KINETICS, VIDEOS
from vibe.data.store import open_store
from vibe.records import Track
from vibe.skeletons import COCO, SPIN49
from vibe.synthetic.clips import make_clip
from vibe.tracking.tracker import Tracker

READ: list[int] = []
"""How many frames each follower was fed, in order."""


def write_video(path: Path, frames: int, fps: int = 25) -> None:
    """A grey video whose brightness grows from frame to frame."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", fps)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 64, 48, "yuv420p", 5
        for number in range(frames):
            picture = np.random.default_rng(number).integers(0, 255, (48, 64, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def track(frames: list[int], seed: int) -> Track:
    points = torch.from_numpy(np.random.default_rng(seed).random((len(frames), 17, 3), np.float32))
    boxes = torch.from_numpy(np.random.default_rng(seed + 9).random((len(frames), 4), np.float32))
    return Track(torch.tensor(frames), boxes, points)


class Told(Tracker):
    """Sees two people in long videos and a third for only 15 frames in a row, and nobody in short ones."""

    killed_after = 0

    def __init__(self, **_):
        self.frames = 0

    def may_pass(self, index, time, rgb):
        return False

    def step(self, index, time, rgb):
        self.frames += 1

    def finish(self, times=None):
        READ.append(self.frames)
        if self.frames == Told.killed_after:
            raise KeyboardInterrupt
        if self.frames < 20:
            return [], []
        gap = [*range(3, 18), *range(19, 30)]
        return [track([*range(16), 20], 1), track(gap, 2), track(list(range(2, 20)), 3)], ["a note"]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> None:
    READ.clear()
    monkeypatch.setattr(videos, "Tracker", Told)
    monkeypatch.setattr(assets, "find_model", Path)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    write_video(folder / "train" / "juggling" / "abc_000001_000011.mp4", 30)
    write_video(folder / "val" / "juggling" / "xyz_000003_000013.mp4", 30, fps=12)
    (folder / "train" / "readme.txt").write_text("no video")
    return folder


def test_everyone_followed_long_enough_is_kept_with_split_rate_joints_and_boxes(told, raw, tmp_path) -> None:
    made = prepare("kinetics", KINETICS, raw, tmp_path / "out")
    store = open_store(tmp_path / "out")
    assert (len(made.kept), made.rows) == (4, 2 * (17 + 18))
    train, validation = (f"{split}/juggling/{name}.mp4" for split, name in (
        ("train", "abc_000001_000011"), ("val", "xyz_000003_000013"),
    ))  # fmt: skip
    assert made.dropped.keys() == {train, validation}
    assert "1 of 3 people left out" in made.dropped[train]
    said = [(sequence.name, sequence.split, sequence.source) for sequence in store.sequences]
    assert said == [
        (f"{train}/1", "train", train), (f"{train}/2", "train", train),
        (f"{validation}/1", "validation", validation), (f"{validation}/2", "validation", validation),
    ]  # fmt: skip
    assert [round(sequence.fps, 2) for sequence in store.sequences] == [25, 25, 12, 12]
    assert store.images(store.sequences[0].rows) == [""] * 17 and (raw / train).is_file()
    for sequence, expected in zip(store.sequences, 2 * [track([*range(16), 20], 1), track(list(range(2, 20)), 3)]):
        assert store.frames[sequence.rows].tolist() == expected.frames.tolist()
        assert np.array_equal(store.column("box_px")[sequence.rows], expected.box_px)
        assert np.array_equal(store.column("keypoints_px.coco17")[sequence.rows], expected.keypoints_px)
        ours = store.column("keypoints_px.spin49")[sequence.rows]
        assert np.array_equal(ours[:, [SPIN49.index(name) for name in COCO]], expected.keypoints_px)
        assert (ours[..., 2] > 0).sum() == expected.keypoints_px[..., 2].count_nonzero()
    assert not store.column("has_points").any() and not store.column("has_theta").any()


def test_what_cannot_be_read_is_named_and_the_rest_goes_on(told, raw, tmp_path) -> None:
    whole = (raw / "train" / "juggling" / "abc_000001_000011.mp4").read_bytes()
    (raw / "train" / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    write_video(raw / "train" / "half.mkv", 60)
    half = (raw / "train" / "half.mkv").read_bytes()
    (raw / "train" / "half.mkv").write_bytes(half[: len(half) // 2])
    (raw / "val" / "page.webm").write_bytes(b"<html>gone</html>")
    write_video(raw / "val" / "nobody.mp4", 10)
    made = prepare("kinetics", KINETICS, raw, tmp_path / "out")
    assert len(made.kept) == 4
    reasons = {"train/cut.mp4": "cut.mp4 is cut off", "train/half.mkv": "of 60 frames can be read"}
    reasons |= {"val/page.webm": "not a video", "val/nobody.mp4": "nobody was found"}
    for name, reason in reasons.items():
        assert reason in made.dropped[name]
    with pytest.raises(ValueError, match=r"cut\.mp4"):
        prepare("kinetics", KINETICS, raw, tmp_path / "strict", strict=True)


def test_a_run_that_was_stopped_reads_no_video_twice(told, raw, tmp_path, monkeypatch) -> None:
    write_video(raw / "train" / "b.mp4", 25)
    write_video(raw / "train" / "c.mp4", 28)
    prepare("kinetics", KINETICS, raw, tmp_path / "whole")
    assert READ == [25, 28, 30, 30]
    READ.clear()
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Told, "killed_after", 28)
        prepare("kinetics", KINETICS, raw, tmp_path / "out")
    assert READ == [25, 28]
    prepare("kinetics", KINETICS, raw, tmp_path / "out")
    assert READ == [25, 28, 28, 30, 30]
    files = {path.name: path.read_bytes() for path in (tmp_path / "whole").iterdir()}
    assert files == {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}


def test_any_folder_of_videos_is_of_the_split_that_its_folders_are_called(told, tmp_path) -> None:
    for name in ("a.mp4", "mine/b.mkv", "test/c.mp4", "videos_val/x/d.mp4", "train_256/e.mp4"):
        write_video(tmp_path / "raw" / name, 20)
    prepare("videos", VIDEOS, tmp_path / "raw", tmp_path / "out")
    store = open_store(tmp_path / "out")
    assert {sequence.source: sequence.split for sequence in store.sequences} == {
        "a.mp4": "train", "mine/b.mkv": "train", "test/c.mp4": "test", "videos_val/x/d.mp4": "validation",
        "train_256/e.mp4": "train",
    }  # fmt: skip


def test_a_folder_of_something_else_is_refused_with_the_layout(told, tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match="train/ and val/"):
        prepare("kinetics", KINETICS, tmp_path, tmp_path / "out")
    with pytest.raises(FileNotFoundError, match="holds nothing of Videos, .* videos, in folders"):
        prepare("videos", VIDEOS, tmp_path, tmp_path / "out")


def test_without_the_detector_no_video_is_left_out_for_good(told, raw, tmp_path, monkeypatch) -> None:
    def absent(name):
        raise FileNotFoundError(f"{name} is not here: run `vibe fetch`")

    with monkeypatch.context() as patched, pytest.raises(FileNotFoundError, match="vibe fetch"):
        patched.setattr(assets, "find_model", absent)
        prepare("kinetics", KINETICS, raw, tmp_path / "out")
    assert len(prepare("kinetics", KINETICS, raw, tmp_path / "out").kept) == 4


def test_the_shipped_detector_finds_the_body_where_it_was_drawn(tmp_path) -> None:
    try:
        assets.find_model("pose_landmark_full.tflite")
    except FileNotFoundError as absent:
        pytest.skip(str(absent))
    (tmp_path / "raw").mkdir()
    take = make_clip(tmp_path / "raw" / "a.mp4", seconds=0.8, fps=20, width=144, height=240, seed=3)
    made = prepare("videos", VIDEOS, tmp_path / "raw", tmp_path / "out")
    assert (len(made.kept), made.rows, dict(made.dropped)) == (1, 16, {})
    store = open_store(tmp_path / "out")
    truth, boxes = take.motion.keypoints_px, take.motion.box_px
    seen = store.column("keypoints_px.coco17")
    apart = np.linalg.norm(seen[..., :2] - truth[..., :2], axis=-1) / boxes[:, None, 3]
    assert np.median(apart) < 0.03 and (seen[..., 2] > 0.3).mean() > 0.6
    assert np.abs(store.column("box_px") - boxes).mean() < 0.1 * boxes[:, 3].mean()
