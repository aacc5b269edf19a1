"""The keypoints of the person in a box."""

import numpy as np
import pytest

from vibe.data.columns import keypoints_in_box
from vibe.tracking.pose_model import BlazePose, Landmarks
from vibe.video.read import open_video

BOX = np.array([50.0, 40.0, 20.0, 60.0], np.float32)
RGB = np.zeros((80, 100, 3), np.uint8)


class Scripted:
    """A model that sees what it is told, one look after the other: how sure, presence, how far off to the right."""

    def __init__(self, *looks: tuple[float, float, float]) -> None:
        self.looks, self.regions = list(looks), []

    def start(self, box_px: np.ndarray, keypoints_px: np.ndarray | None) -> np.ndarray:
        assert keypoints_px is None
        return np.array([box_px[0], box_px[1], max(box_px[2:]), 0.0])

    def __call__(self, rgb: np.ndarray, region: np.ndarray) -> Landmarks:
        sure, presence, off = self.looks[len(self.regions)]
        self.regions.append(region)
        x, y = np.linspace(40, 60, 17) + off, np.linspace(10, 70, 17)
        return Landmarks(np.stack([x, y, np.full(17, sure)], 1), presence, region, region * [1, 1, 1.2, 1])


def test_it_looks_again_where_the_body_is_as_long_as_that_makes_it_surer() -> None:
    model = Scripted((0.5, 0.9, 0.0), (0.8, 0.9, 1.0), (0.6, 0.9, 2.0))
    found = keypoints_in_box(model, RGB, BOX)
    assert found[0].tolist() == pytest.approx([41, 10, 0.8])
    assert [region[2] for region in model.regions] == pytest.approx([60, 72, 86.4])
    model = Scripted((0.9, 0.9, 0.0), (0.8, 0.9, 1.0))
    assert keypoints_in_box(model, RGB, BOX)[0, 0] == 40 and len(model.regions) == 2


def test_a_surer_look_at_somebody_outside_the_box_does_not_count() -> None:
    assert keypoints_in_box(Scripted((0.4, 0.9, 0.0), (0.99, 1.0, 15.0)), RGB, BOX)[0, 0] == 40


def test_where_nobody_is_the_confidences_are_zero() -> None:
    keypoints_px = keypoints_in_box(Scripted((0.5, 0.2, 0.0), (0.4, 0.3, 0.0)), RGB, BOX)
    assert not keypoints_px[:, 2].any() and keypoints_px[:, :2].all() and keypoints_px.dtype == np.float32


def test_the_shipped_detector_finds_the_person_in_a_true_box(shared) -> None:
    try:
        model = BlazePose()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    folder = shared / "data" / "videos" / "balancing"
    with open_video(folder / "cam01.mp4") as video:
        rgb = next(iter(video)).rgb
    with np.load(folder / "truth.npz") as truth:
        points_cam, K_px = truth["cam01.joints_cam"][0], truth["cam01.K_px"]
        names = truth["joint_names"].tolist()
    seen = points_cam @ K_px.T
    seen = seen[:, :2] / seen[:, 2:]
    low, high = seen.min(0), seen.max(0)
    found = keypoints_in_box(model, rgb, np.array([*(low + high) / 2, *1.1 * (high - low)], np.float32))
    true = seen[[names.index("LKnee"), names.index("RKnee")]]
    assert np.linalg.norm(found[13:15, :2] - true, axis=1).max() < 0.04 * (high - low).max()
    assert found[:, 2].mean() > 0.5
