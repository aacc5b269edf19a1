import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vibe.tracking.detector import (
    BlazePoseDetector,
    anchors,
    averaged,
    decode,
    iou,
    letterbox,
    quick_factor,
    suppress,
)

boxes = arrays(np.float64, st.tuples(st.integers(1, 8), st.just(4)), elements=st.floats(1, 50))


def test_anchors_are_the_models_2254_and_lie_symmetrically_in_the_picture():
    places = anchors()
    assert places.shape == (2254, 2)
    assert ((places > 0) & (places < 1)).all()
    np.testing.assert_allclose(places.mean(0), 0.5, atol=1e-6)
    np.testing.assert_allclose(np.sort(places, 0), np.sort(1 - places, 0), atol=1e-6)


def test_an_anchor_that_says_nothing_decodes_to_its_own_place():
    logits = np.full(2254, -10.0, np.float32)
    logits[[5, 1600, 2250]] = 3
    heads, points, scores = decode(np.zeros((2254, 12), np.float32), logits, 0.5)
    np.testing.assert_allclose(heads[:, :2], anchors()[[5, 1600, 2250]])
    np.testing.assert_allclose(points, np.repeat(heads[:, None, :2], 4, 1))
    np.testing.assert_allclose(scores, 1 / (1 + np.exp(-3)), rtol=1e-6)


def test_moving_the_values_moves_box_and_points_alike():
    logits = np.full(2254, -10.0, np.float32)
    logits[100] = 1
    values = np.random.default_rng(0).normal(size=(2254, 12)).astype(np.float32)
    moved = values.copy()
    moved[:, [0, 4, 6, 8, 10]] += 22.4
    (head, points, _), (head_moved, points_moved, _) = decode(values, logits, 0.5), decode(moved, logits, 0.5)
    np.testing.assert_allclose(head_moved - head, [[0.1, 0, 0, 0]], atol=1e-6)
    np.testing.assert_allclose(points_moved - points, np.broadcast_to([0.1, 0], (1, 4, 2)), atol=1e-6)


@given(boxes)
def test_overlap_is_symmetric_and_whole_with_itself(some):
    overlap = iou(some, some)
    np.testing.assert_allclose(overlap, overlap.T)
    np.testing.assert_allclose(np.diag(overlap), 1)
    assert ((overlap >= 0) & (overlap <= 1 + 1e-9)).all()


@given(boxes)
def test_suppression_puts_each_box_into_one_group_and_keeps_no_two_that_overlap(some):
    scores = np.random.default_rng(0).random(len(some))
    groups = suppress(some, scores, 0.5)
    assert sorted(np.concatenate(groups)) == list(range(len(some)))
    best = [group[0] for group in groups]
    assert all(scores[group[0]] == scores[group].max() for group in groups)
    overlap = iou(some[best], some[best])
    assert (overlap - np.eye(len(best)) < 0.5).all()


@pytest.mark.parametrize("size", [(16, 16), (1920, 1080), (30, 4000), (224, 224)])
def test_a_letterboxed_picture_keeps_its_middle_and_its_shape(size):
    rgb = np.full((*size, 3), 255, np.uint8)
    for centred in (True, False):
        canvas, scale, corner = letterbox(rgb, (224, 160), 100, centred)
        assert canvas.shape == (160, 224, 3) and (centred or not corner.any())
        shown = (canvas[..., 0] > 100).nonzero()
        for axis, (extent, rows) in enumerate(zip(size, shown, strict=True)):
            low, high = ((edge - corner[1 - axis]) / scale for edge in (rows.min(), rows.max() + 1))
            assert low == pytest.approx(0, abs=1 / scale) and high == pytest.approx(extent, abs=1 / scale)


def test_nobody_is_found_in_an_empty_picture():
    try:
        detector = BlazePoseDetector()
    except FileNotFoundError as reason:
        pytest.skip(str(reason))
    for size in ((16, 16), (240, 320)):
        found = detector(np.zeros((*size, 3), np.uint8))
        assert found.box_px.shape == (0, 4) and found.score.shape == (0,)


def test_a_missing_model_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("VIBE_HOME", str(tmp_path))
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="vibe fetch"):
        BlazePoseDetector()


@pytest.mark.parametrize("factor", [1, 2, 3, 4, 6, 8, 12])
def test_a_picture_is_averaged_over_squares_to_a_grey_level(factor):
    rgb = np.random.default_rng(factor).integers(0, 256, (101, 150, 3)).astype(np.uint8)
    rows, columns = 101 // factor, 150 // factor
    squares = rgb[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor, 3)
    got = averaged(rgb, factor).astype(float)
    assert got.shape == (rows, columns, 3)
    assert np.abs(got - squares.mean((1, 3))).max() <= 1.5


@pytest.mark.parametrize("most", [-3, 0.2, 1, 1.9, 2, 2.9, 3, 4.5, 5.99, 6, 7, 8, 11.9, 12, 100])
def test_the_quick_factor_is_the_largest_of_powers_of_two_and_their_triples(most):
    quick = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128]
    assert quick_factor(most) == max([each for each in quick if each <= most], default=1)
