import numpy as np

from vibe.synthetic.smooth_curves import clip_times, ease, rove, sway, through, turn_through


def test_a_movement_begins_and_ends_at_rest_and_jerks_least_between() -> None:
    times = np.linspace(0, 2, 2001)
    way = ease(times, 0.5, 1.5)
    assert way[0] == 0 and way[-1] == 1 and (np.diff(way) >= 0).all()
    speed = np.diff(way) * 1000
    assert speed[499] < 1e-4 and abs(speed.max() - 1.875) < 1e-3


def test_a_value_goes_through_its_keys() -> None:
    times = np.array([0.0, 1.0, 2.5, 4.0])
    found = through(times, [1.0, 2.0], [(0.2, 0.9, [3.0, 3.0]), (1.5, 2.4, [0.0, 5.0]), (2.6, 3.0, [0.0, 0.0])])
    np.testing.assert_allclose(found, [[1, 2], [3, 3], [0, 5], [0, 0]], atol=1e-12)


def test_what_wanders_stays_between_its_values_and_does_not_jump() -> None:
    random, times = np.random.default_rng(0), clip_times(20)
    values = rove(times, random, lambda: random.uniform(-1, 1, 3))
    assert values.shape == (600, 3) and np.abs(values).max() <= 1
    assert np.abs(np.diff(values, axis=0)).max() < 2 * 1.875 / 0.7 / 30


def test_turns_are_rotations_and_unsteadiness_has_its_size() -> None:
    random, times = np.random.default_rng(0), clip_times(60)
    quarter = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    made = turn_through(times, random, lambda: np.stack([np.eye(3), quarter])[random.permutation(2)])
    np.testing.assert_allclose(made @ made.swapaxes(-1, -2), np.broadcast_to(np.eye(3), made.shape), atol=1e-9)
    assert 0.5 < sway(times, random, [1.0, 2.0]).std(0)[1] / 2 < 1.5
