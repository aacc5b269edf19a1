"""Which hands are looked at, when, and that a pass that was cut off reads the same."""

import numpy as np
import pytest

from vibe.skeletons import BLAZEPOSE
from vibe.tracking.hand_model import HandLandmarks, HandModel, follow_region, palm_region
from vibe.tracking.hand_reader import HandReader
from vibe.tracking.pose_model import Landmarks
from vibe.tracking.tracker import TrackedPerson

RGB = np.zeros((400, 600, 3), np.uint8)


def body(x: float, size: float = 30.0) -> np.ndarray:
    """Landmarks of somebody whose left hand is at x and points to the right, and whose right hand is hidden."""
    whole = np.zeros((33, 8), np.float32)
    for name, along in (("wrist", 0), ("index", 1), ("pinky", 1)):
        whole[BLAZEPOSE.index(f"left_{name}")] = [x + along * size, 200, 0, 0, 0, 1, 1, 1]
        whole[BLAZEPOSE.index(f"right_{name}")] = [x + along * size, 300, 0, 0, 0, 0, 1, 1]
    return whole


def person(x: float, size: float = 30.0) -> TrackedPerson:
    region = np.array([x, 200, 300, 0.0])
    return TrackedPerson(1, Landmarks(np.ones((17, 3)), 1.0, region, region, body(x, size)))


class Model(HandModel):
    """Sees a hand on the palm wherever it is asked, unless it is blind; notes what it was asked."""

    def __init__(self, presence: float = 0.9) -> None:
        self.presence, self.asked = presence, []

    def look(self, rgb, palm, last_px):
        self.asked.append(None if last_px is None else last_px.mean(0).tolist())
        points = palm[:2] + np.linspace(-20, 20, 42).reshape(21, 2)
        return HandLandmarks(points, np.ones((21, 3)) * palm[0], self.presence, 0.1)


def read(reader: HandReader, frames: range) -> None:
    for frame in frames:
        reader.step(frame, frame / 30, RGB, [person(100.0 + frame)])


def test_a_hand_in_sight_is_read_some_times_a_second_and_followed_with_the_body():
    model = Model()
    reader = HandReader(model)
    read(reader, range(13))
    found = reader.finish()
    assert found.frames.tolist() == [0, 4, 8, 12] and model.asked[0] is None
    np.testing.assert_allclose(
        model.asked[1], [100 + 30 + 4, 200], atol=1
    )  # where it was seen, moved on as the palm has
    assert found.points_px.shape == (4, 21, 2) and found.places.shape == (4, 21, 3)
    np.testing.assert_allclose(found.right, 0.1, atol=1e-6)


def test_one_that_is_not_found_is_looked_for_more_seldom():
    model = Model(presence=0.1)
    reader = HandReader(model)
    read(reader, range(120))
    assert len(reader.finish().frames) == 0 and 5 <= len(model.asked) <= 12


def test_a_pass_that_goes_on_from_a_state_reads_what_one_without_a_break_does():
    whole, first, second = (HandReader(Model()) for _ in range(3))
    read(whole, range(40))
    read(first, range(22))
    second.restore(first.state())
    first.close()
    read(second, range(22, 40))
    one, other = whole.finish(), second.finish()
    for name, values in vars(one).items():
        np.testing.assert_array_equal(values, getattr(other, name))


@pytest.mark.parametrize(("side", "x", "size"), [("left", 100.0, 9.0), ("left", 590.0, 30.0), ("right", 100.0, 30.0)])
def test_nothing_is_looked_for_that_is_small_or_hidden_or_outside(side, x, size):
    assert palm_region(body(100.0), "left", RGB) is not None
    assert palm_region(body(x, size), side, RGB) is None


def test_the_next_region_is_turned_so_that_the_wrist_is_down():
    points = np.zeros((21, 2))
    points[1:] = [50.0, 0.0]  # fingers to the right of the wrist
    centre_x, _, side, turn = follow_region(points)
    assert np.isclose(turn, np.pi / 2) and side == pytest.approx(100) and centre_x > 25
