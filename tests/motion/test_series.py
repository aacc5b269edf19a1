"""Numbers over time keep their unit, axes and times, and derive by the true times."""

import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose

from vibe.motion import Series
from vibe.motion.series import CAMERA, CAMERA_Y_UP

TIMES = np.array([0.0, 0.04, 0.09, 0.12, 0.17, 0.2, 0.24, 0.3])
RANDOM = np.random.default_rng(0)
NAMES = ("pelvis", "left_wrist", "right_wrist")


def series(times=TIMES, frames=None, names=NAMES, **changed) -> Series:
    frames = np.arange(len(times)) if frames is None else frames
    values = RANDOM.standard_normal((len(times), len(names), 3), np.float32)
    given = {"values": values, "unit": "m", "axes": CAMERA} | changed
    return Series(names=names, times=times, frames=frames, **given)


def thrown(times: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Place, velocity and acceleration of three joints that accelerate evenly."""
    start, speed, pull = RANDOM.standard_normal((3, 1, len(NAMES), 3))
    t = times[:, None, None]
    place, velocity = start + speed * t + pull * t**2 / 2, speed + pull * t
    return place, velocity, np.broadcast_to(pull, place.shape)


def test_derivatives_of_an_even_acceleration_are_exact_at_uneven_times():
    place, velocity, acceleration = thrown(TIMES)
    thing = series(values=place)
    for found, truth, unit in (
        (thing.velocity(), velocity, "m/s"),
        (thing.acceleration(), acceleration, "m/s^2"),
    ):
        assert np.abs(found.values[1:-1] - truth[1:-1]).max() < 1e-9
        assert np.isnan(found.values[[0, -1]]).all()
        assert (found.unit, found.names, len(found)) == (unit, NAMES, len(TIMES))


def test_derivatives_never_reach_across_a_gap():
    place, velocity, _ = thrown(TIMES)
    place[4:] += 7
    frames = np.array([0, 1, 2, 3, 9, 10, 11, 12])
    found = series(values=place, frames=frames).velocity().values
    assert np.isnan(found).all((1, 2)).tolist() == [True, False, False, True, True, False, False, True]
    assert np.abs(found - velocity)[[1, 2, 5, 6]].max() < 1e-9


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_frames_have_no_velocity(count):
    found = series(TIMES[:count]).velocity()
    assert found.values.shape == (count, 3, 3) and np.isnan(found.values).all()


def test_arithmetic_is_that_of_the_numbers_and_keeps_what_they_are():
    one, two = series(), series()
    for found, truth in (
        (one + two, one.values + two.values),
        (one - two, one.values - two.values),
        (one * 2, one.values * 2),
        (np.float64(2) * one, one.values * 2),
        (np.float32(2) * one, one.values * 2),
        (one / 4, one.values / 4),
        (1 - one, 1 - one.values),
        (one + 1.5, one.values + 1.5),
        (-one, -one.values),
    ):
        assert_allclose(found.values, truth, rtol=1e-5, atol=1e-6)
        assert (found.unit, found.axes, found.names) == ("m", CAMERA, NAMES)
        assert np.array_equal(found.times, TIMES)
    share = one.norm() / two.norm()
    assert share.unit == "1"
    assert_allclose(
        share.values, np.linalg.norm(one.values, axis=-1) / np.linalg.norm(two.values, axis=-1), rtol=1e-5, atol=1e-6
    )


def test_one_joint_goes_with_all():
    one = series()
    assert_allclose((one - one["pelvis"]).values, one.values - one.values[:, :1], rtol=1e-5, atol=1e-6)
    assert (one - one["pelvis"]).names == (one["pelvis"] - one).names == NAMES
    span = (one["left_wrist"] - one["right_wrist"]).norm()
    assert_allclose(
        span.values[:, 0], np.linalg.norm(one.values[:, 1] - one.values[:, 2], axis=-1), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (lambda one: one.to("mm"), "unit 'm', the other 'mm'"),
        (lambda one: one.y_up(), "axes 'camera', the other 'camera, y up'"),
        (lambda one: one[0.05:], "8 from 0 to 7 and 6 from 2 to 7"),
        (lambda one: series(TIMES + 1), "other frames"),
        (lambda one: one["pelvis", "left_wrist"], "other joints"),
        (lambda one: one.norm(), "has not: take .norm"),
    ],
)
def test_what_does_not_fit_is_refused(other, says):
    one = series()
    with pytest.raises(ValueError, match=says):
        one - other(one)


def test_two_series_have_no_product_and_text_no_sum():
    for wrong in (lambda: series() * series(), lambda: series() + "a", lambda: series() * np.ones(3)):
        with pytest.raises(TypeError):
            wrong()


def test_units_are_changed_with_the_numbers():
    one = series()
    assert_allclose(one.to("mm").values, 1000 * one.values, rtol=1e-5, atol=1e-6)
    assert_allclose(one.to("mm").to("cm").to("m").values, one.values, rtol=1e-5, atol=1e-6)
    assert_allclose(one.velocity().to("cm/s").values, one.to("cm").velocity().values, rtol=1e-5, atol=1e-5)
    turn = series(values=np.full((8, 3), 180.0), unit="deg")
    assert_allclose(turn.to("rad").values, np.full((8, 3), np.pi), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("unit", "wanted"), [("m", "deg"), ("m", "m/s"), ("m/s", "m"), ("m/s", "cm/s^2"), ("1", "m")])
def test_a_unit_that_does_not_fit_is_refused(unit, wanted):
    with pytest.raises(ValueError, match=f"{unit} can't be given in"):
        series(unit=unit).to(wanted)


def test_y_up_turns_y_and_z_and_says_so():
    one = series()
    up = one.y_up()
    assert up.axes == CAMERA_Y_UP and np.array_equal(up.values, one.values * np.float32([1, -1, -1]))
    assert np.array_equal(up.y_up().values, up.values)
    assert_allclose(up.velocity().values, one.velocity().y_up().values, rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match="no y axis"):
        one.norm().y_up()


def test_neighbouring_stretches_share_no_frame_and_leave_none_out():
    one = series()
    parts = [one[:0.09], one[0.09:0.2], one[0.2:]]
    assert np.concatenate([part.frames for part in parts]).tolist() == one.frames.tolist()
    assert np.array_equal(np.concatenate([part.values for part in parts]), one.values)
    assert float(parts[1].times[0]) == 0.09
    assert len(one[5:]) == 0 and len(one[0.2:0.1]) == 0 and len(one[:]) == 8


@pytest.mark.parametrize("part", [slice(0, 2, 1), slice(-1, None), slice("a"), slice(float("nan"), None)])
def test_what_is_no_stretch_of_seconds_is_refused(part):
    with pytest.raises(ValueError, match=r"\[2\.0:5\.0\]"):
        series()[part]


def test_a_joint_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="no joint tail in the series: it has pelvis"):
        series()["tail"]
    assert series()[["right_wrist", "pelvis"]].names == ("right_wrist", "pelvis")


def test_a_change_over_time_is_not_derived_again():
    with pytest.raises(ValueError, match="derive the positions, in mm"):
        series().to("mm").velocity().acceleration()


def test_a_table_has_a_row_for_each_frame_and_joint():
    pytest.importorskip("pandas")
    one = series(frames=np.array([3, 4, 5, 6, 9, 10, 11, 12]))
    table = one.to("mm").y_up().to_dataframe()
    assert list(table.columns) == ["frame", "time_s", "joint", "x_mm", "y_mm", "z_mm"]
    row = table[(table.frame == 9) & (table.joint == "left_wrist")]
    assert row.time_s.item() == float(TIMES[4])
    assert row.y_mm.item() == pytest.approx(-1000 * float(one.values[4, 1, 1]), rel=1e-6)
    assert len(table) == 24 and table.attrs == {"unit": "mm", "axes": CAMERA_Y_UP}
    assert list(one.velocity().norm().to_dataframe().columns)[3:] == ["value_m/s"]
    assert len(one[5:].to_dataframe()) == 0


def test_without_pandas_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"vibe-motion\[pandas\]"):
        series().to_dataframe()
