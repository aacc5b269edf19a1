import numpy as np
import pytest

from vibe.tracking.active_track import ActiveTrack
from vibe.tracking.appearance import clothing, dissimilarity
from vibe.tracking.masking import paint_out, restore, share_shown
from vibe.tracking.pose_model import Landmarks

POSE = np.array(
    [
        (0, -70),
        (4, -74),
        (-4, -74),
        (8, -70),
        (-8, -70),
        (22, -45),
        (-22, -45),
        (28, -20),
        (-28, -20),
        (30, 5),
        (-30, 5),
    ]
    + [(14, 0), (-14, 0), (15, 40), (-15, 40), (16, 80), (-16, 80)]
)


def body(x):
    """Keypoints of somebody upright around x, y = 100, and their region."""
    return np.concatenate([POSE + (x, 100), np.full((17, 1), 0.8)], 1), np.array([x, 100.0, 240, 0])


@pytest.fixture
def rgb():
    return np.random.default_rng(0).integers(0, 255, (200, 300, 3), np.uint8)


def test_who_is_painted_out_shows_nowhere_and_shows_again_when_restored(rgb):
    picture = rgb.copy()
    paint_out(picture, *body(80))
    assert share_shown(picture, rgb, body(80)[0]) == 0
    assert share_shown(picture, rgb, body(220)[0]) == 1
    assert 0.1 < (picture != rgb).any(-1).mean() < 0.4
    restore(picture, rgb, *body(80))
    assert (picture == rgb).all()


def test_of_two_who_overlap_only_the_part_that_is_not_covered_shows(rgb):
    picture = rgb.copy()
    paint_out(picture, *body(100))
    assert 0.1 < share_shown(picture, rgb, body(130)[0]) < 0.9


def test_a_body_far_outside_paints_nothing(rgb):
    picture = rgb.copy()
    paint_out(picture, *body(1e7))
    assert (picture == rgb).all() and share_shown(picture, rgb, body(1e7)[0]) == 0


def test_the_clothes_of_whoever_stands_before_others_are_not_theirs():
    rgb = np.zeros((200, 300, 3), np.uint8)
    rgb[..., 2] = 200
    own = clothing(rgb, body(130)[0])
    rgb[:, :125] = (200, 0, 0)
    picture = rgb.copy()
    paint_out(picture, *body(95))
    mixed, seen = clothing(rgb, body(130)[0]), clothing(rgb, body(130)[0], picture)
    assert dissimilarity(seen, own) < 0.5 * dissimilarity(mixed, own)


def test_who_was_lost_a_moment_ago_is_painted_out_where_they_are_by_now(rgb):
    lost = ActiveTrack(1, Landmarks(*body(80)[:1], 1.0, body(80)[1], body(80)[1]))
    lost.add(0, 0.0, lost.last, np.zeros(128))
    paint_out(picture := rgb.copy(), lost.keypoints_at(body(110)[1]), body(110)[1])
    assert share_shown(picture, rgb, body(110)[0]) == 0
