import numpy as np
import pytest
import torch
from torch import Tensor

from vibe.cameras import CROP_SCALE
from vibe.features.crops import SIDE, cut


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(1, 256, (height, width, 3), np.uint8)


def boxes(*rows: tuple[float, float, float, float]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float32).reshape(-1, 4)


def test_a_crop_of_its_own_size_is_a_piece_of_the_picture() -> None:
    rgb = noise(300, 400)
    box = boxes((200, 150, SIDE / CROP_SCALE, 100))
    np.testing.assert_array_equal(cut(rgb, box)[0], rgb[150 - 112 : 150 + 112, 200 - 112 : 200 + 112])


def test_beyond_the_border_it_is_black() -> None:
    rgb = noise(300, 400)
    left, outside = cut(rgb, boxes((0, 150, SIDE / CROP_SCALE, 100), (-500, -500, 90, 90)))
    assert not left[:, :112].any() and left[:, 112:].all()
    assert not outside.any()


def test_only_the_longer_side_of_a_box_counts() -> None:
    wide, tall, square = cut(noise(300, 400), boxes((180, 140, 150, 20), (180, 140, 20, 150), (180, 140, 150, 150)))
    np.testing.assert_array_equal(wide, square)
    np.testing.assert_array_equal(tall, square)


def test_people_are_cut_one_by_one_and_the_picture_stays_as_it_is() -> None:
    rgb, people = noise(200, 300), boxes((50, 60, 70, 80), (150, 100, 400, 30), (250.5, 10.25, 33, 44))
    before = rgb.copy()
    together = cut(rgb, people)
    for crop, box in zip(together, people, strict=True):
        np.testing.assert_array_equal(cut(rgb, box[None])[0], crop)
    np.testing.assert_array_equal(rgb, before)
    assert cut(rgb, boxes()).shape == (0, SIDE, SIDE, 3)


@pytest.mark.parametrize("bad", [(np.nan, 5, 9, 9), (5, np.inf, 9, 9), (5, 5, 0, 0), (5, 5, -3, -4), (5, 5, np.inf, 9)])
def test_a_box_without_size_or_place_is_refused(bad: tuple) -> None:
    with pytest.raises(ValueError, match="box 1 of 2 .* crop needs"):
        cut(noise(20, 30), boxes((10, 10, 9, 9), bad))
