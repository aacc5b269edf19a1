"""What `vibe bench` measures is what it says."""

import sys
from pathlib import Path

import numpy as np
import pytest

from vibe.bench import measure
from vibe.bench.measure import BenchRow, measure_all, measure_mediapipe_pose, throughput
from vibe.video.read import open_video
from vibe.video.write import VideoWriter

FAKE = """
class Pose:
    def __enter__(self):
        return self
    def __exit__(self, *_):
        pass
    def process(self, rgb):
        assert rgb[..., 0].mean() > 2 * rgb[..., 2].mean(), "not RGB"
        return type("Seen", (), {"pose_landmarks": [1]})()

class solutions:
    class pose:
        Pose = Pose
"""


def written(path: Path, frames: int, fps: float = 25.0) -> Path:
    """A red video that gets brighter."""
    with VideoWriter(path, 64, 48, fps) as writer:
        for frame in range(frames):
            picture = np.zeros((48, 64, 3), np.uint8)
            picture[..., 0] = 100 + 155 * frame // frames
            writer.write(picture, frame / fps)
    return path


def test_workers_are_measured_from_the_first_beginning_to_the_last_end():
    assert throughput([(10, 14, 100), (11, 15, 100), (14, 20, 200)]) == 40


def test_pictures_played_forth_and_back_never_jump(tmp_path):
    pictures = [np.full((24, 32, 3), 40 * place, np.uint8) for place in range(5)]
    measure.write_back_and_forth(tmp_path / "clip.mp4", pictures, 20, 30.0, (64, 48))
    with open_video(tmp_path / "clip.mp4") as video:
        shades = [frame.rgb.mean() for frame in video]
        assert (video.width, video.height, len(shades)) == (64, 48, 20)
    np.testing.assert_allclose(np.abs(np.diff(shades)), 40, atol=4)
    assert max(shades) > 150


def test_of_a_long_video_the_first_seconds_are_taken_and_of_a_short_one_all(tmp_path, monkeypatch):
    monkeypatch.setattr(measure, "MOST_SECONDS", 1.0)
    for frames, kept in ((60, 26), (12, 12)):
        source = written(tmp_path / f"{frames}.mp4", frames)
        measure.first_seconds(source, tmp_path / "cut.mp4")
        with open_video(tmp_path / "cut.mp4") as video:
            assert len(list(video)) == kept


def test_a_video_without_people_is_measured_as_far_as_it_goes(tmp_path):
    from vibe.inference.estimate import load_estimator

    try:
        method = load_estimator(device="cpu")
    except FileNotFoundError as error:
        pytest.skip(str(error))
    told = []
    rows = measure_all(method, told.append, written(tmp_path / "clip.mp4", 20))
    assert {row.what for row in rows} >= {
        "end to end, no overlay",
        "overlay, drawn and encoded",
        "decoding",
        "detection",
    }
    assert all(row.value > 0 for row in rows)
    assert "0 people" in rows[0].note
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]
    assert {stage for stage, _, _ in told} >= {"people", "parts"}


def test_mediapipe_is_measured_by_the_python_that_has_it(tmp_path, monkeypatch):
    (tmp_path / "mediapipe.py").write_text(FAKE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    row = measure_mediapipe_pose(written(tmp_path / "clip.mp4", 15), Path(sys.executable), 100.0)
    assert isinstance(row, BenchRow) and row.value > 0
    assert "found a person in 15 frames" in row.note and f"{100 / row.value:.2f} times" in row.note


def test_a_python_without_mediapipe_is_named(tmp_path):
    with pytest.raises(OSError, match=f"{Path(sys.executable).name} .*give a Python that has it"):
        measure_mediapipe_pose(written(tmp_path / "clip.mp4", 2), Path(sys.executable), 100.0)
    with pytest.raises(OSError, match="nowhere"):
        measure_mediapipe_pose(tmp_path / "clip.mp4", tmp_path / "nowhere", 100.0)


def test_the_machine_is_described():
    assert "cores" in measure.machine_name() and measure.processor_name() in measure.machine_name()
    assert {"vibe-motion", "torch", "numpy"} <= set(measure.package_versions())
    assert measure.device_name("cpu") == "cpu"
