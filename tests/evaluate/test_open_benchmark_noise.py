import numpy as np

from vibe.evaluate import open_benchmark_clips

FROZEN = np.array(
    [
        [
            [4.0718422, 10.1202218, 0.4885514],
            [22.9519507, -17.7047149, 0.0270971],
            [33.5934169, -17.5922975, 0.2517108],
        ],
        [[1.9100913, -0.0614756, 0.7511899], [1.6705350, -8.5577334, 0.0934257], [7.8939153, 4.3979484, 0.8183030]],
        [[-0.5985734, -1.6571766, 0.9095077], [-8.3798829, -1.4140645, 0.8890683], [1.3112562, 1.8114380, 0.9319419]],
    ]
)
"""Nose, left wrist and right ankle in the first, a middle and the last of 40 frames."""


def detected(frames: int, seed: int) -> np.ndarray:
    """The errors of a detector that looks at points at rest, a metre being 500 pixels."""
    return open_benchmark_clips.imitate_detections(
        np.zeros((frames, 17, 2)), np.full((frames, 17), 500.0), np.random.RandomState(seed)
    )


def test_the_noise_is_frozen() -> None:
    first = detected(40, 7)[[0, 20, 39]][:, [0, 9, 16]]
    assert np.allclose(first, FROZEN, atol=1e-6)


def test_what_wanders_has_unit_variance_at_every_moment_and_no_jumps() -> None:
    noise = open_benchmark_clips.wander(61, 20, 20000, np.random.RandomState(0))
    assert np.abs(noise.std(1) - 1).max() < 0.03
    assert np.abs(np.diff(noise, axis=0)).max() < 0.5


def test_a_spell_begins_as_often_at_the_start_as_later() -> None:
    random = np.random.RandomState(0)
    share = np.mean([open_benchmark_clips.spells(60, 0.02, 10, [(3,)], random)[:, 3] for _ in range(4000)], 0)
    assert np.abs(share - share.mean()).max() < 0.03


def test_nobody_is_out_of_sight_for_long_or_at_the_ends() -> None:
    for seed in range(60):
        seen = np.asarray(detected(300, seed)[..., 2].any(1))
        runs = np.split(seen, np.flatnonzero(np.diff(seen.astype(int))) + 1)
        assert seen[0] and seen[-1]
        assert max((len(run) for run in runs if not run[0]), default=0) <= open_benchmark_clips.MOST_BLANK


def test_errors_scale_with_the_metre_and_confidences_do_not() -> None:
    points, metre = np.zeros((50, 17, 2)), np.full((50, 17), 300.0)
    near, far = (
        open_benchmark_clips.imitate_detections(points, size, np.random.RandomState(3)) for size in (metre, metre / 3)
    )
    assert np.allclose(near[..., :2], 3 * far[..., :2])
    assert np.array_equal(near[..., 2], far[..., 2])


def test_what_is_wrong_by_far_is_seldom_sure() -> None:
    errors = np.concatenate([detected(300, seed) for seed in range(20)])
    off_mm = np.linalg.norm(errors[..., :2], axis=-1) * 2
    assert np.median(errors[..., 2][off_mm > 150]) < 0.2 < 0.7 < np.median(errors[..., 2][off_mm < 50])


def test_most_spells_are_short_and_none_is_longer_than_the_longest() -> None:
    flags = np.concatenate(
        [open_benchmark_clips.spells(400, 0.002, 60, [(3,)], np.random.RandomState(n)) for n in range(200)]
    )
    ends = np.flatnonzero(np.diff(np.pad(flags[:, 3].astype(int), 1))).reshape(-1, 2)
    lengths = ends[:, 1] - ends[:, 0]
    assert 5 <= np.median(lengths) <= 10
    assert np.mean(lengths > 60) < 0.02
