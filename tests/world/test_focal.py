"""Laws of the focal length that a pan shows."""

from __future__ import annotations

import numpy as np
import pytest
from turning_camera import HEIGHT, WIDTH, intrinsics, seen, texture, turning, watched

from vibe.world.focal import focal_from_pan


@pytest.mark.parametrize("focal_px", [420.0, 550.0, 900.0])
def test_a_pan_shows_the_focal_length(focal_px):
    found = focal_from_pan(
        watched([seen(texture(), each, intrinsics(focal_px)) for each in turning(75)]), (WIDTH, HEIGHT)
    )
    assert found is not None and abs(found[0] / focal_px - 1) < max(0.03, 2 * found[1] / focal_px)


def test_a_camera_that_does_not_turn_or_only_rolls_shows_none():
    still = [seen(texture(), np.eye(3))] * 20
    assert focal_from_pan(watched(still), (WIDTH, HEIGHT)) is None
    rolled = [seen(texture(), each) for each in turning(75, (0.0, 0.0, 8.0))]
    assert focal_from_pan(watched(rolled), (WIDTH, HEIGHT)) is None
