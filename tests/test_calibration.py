"""Laws of calibration files: what is read, which camera is taken, and what is refused."""

import random
from pathlib import Path

import lenses
import numpy as np
import pytest

from vibe.calibration import calibrated_lens, read_cameras, split_name

K_PX = [[950, 0, 640], [0, 950, 360], [0, 0, 1]]


@pytest.fixture
def write(tmp_path):
    def written(name: str, text: str | None = None) -> Path:
        (tmp_path / name).write_text(lenses.WRITTEN[name] if text is None else text)
        return tmp_path / name

    return written


@pytest.mark.parametrize("name", ["opencv.yaml", "ros.yml", "cameras.txt"])
def test_the_same_camera_is_read_from_every_format(write, name):
    found = read_cameras(write(name))[0]
    assert found.K_px.tolist() == K_PX and found.size_px == (1280, 720) and not found.fisheye
    assert found.distortion[:4] == (-0.25, 0.08, 0.0001, -0.0002) and not any(found.distortion[4:])
    lens = calibrated_lens(f"{write(name)}:{found.name}", Path("x.mp4"), 1280, 720)
    assert lens.camera.source == "calibration" and lens.up_cam is None and lens.height_m is None


def test_pose2sim_s_file_tells_gravity_and_which_camera_a_video_is_of(write):
    file = write("pose2sim.toml")
    lens = calibrated_lens(file, Path("raw/cam02.mp4"), 1088, 1920)
    assert lens.camera.fisheye and float(lens.camera.K_px[0, 0]) == pytest.approx(1673.7)
    assert float(lens.camera.K_px[0, 2]) == 534.5, "the middle of the first pixel is at 0.5"
    assert lens.up_cam is not None and np.linalg.norm(lens.up_cam) == pytest.approx(1) and lens.up_cam[1] < -0.5
    one = calibrated_lens(f"{file}:cam01", Path("raw/cam02.mp4"), 1088, 1920)
    assert not one.camera.fisheye and float(one.camera.K_px[0, 0]) == pytest.approx(1681.2)
    R, t = read_cameras(file)[0].R_cam_world, read_cameras(file)[0].t_cam_world
    assert R is not None and t is not None and one.up_cam is not None
    assert np.allclose(one.up_cam, R @ [0, 0, 1]) and one.height_m == pytest.approx((-R.T @ t)[2])
    with pytest.raises(ValueError, match="cam03.*choose one.*cam01, cam02"):
        calibrated_lens(file, Path("cam03.mp4"), 1088, 1920)


def test_a_world_that_is_not_z_up_tells_nothing_of_gravity(write):
    text = lenses.TOML.replace("rotation = [1.9, 0.9, -0.7]", "rotation = [0.0, 0.0, 0.0]")
    lens = calibrated_lens(f"{write('own.toml', text)}:cam01", Path("x.mp4"), 1088, 1920)
    assert lens.up_cam is None and "not z up" in lens.notes[0]


def test_another_size_scales_padding_is_cut_off_and_another_shape_is_refused(write):
    file = f"{write('pose2sim.toml')}:cam01"
    K_px = calibrated_lens(file, Path("x.mp4"), 1088, 1920).camera.K_px
    cut = calibrated_lens(file, Path("x.mp4"), 1080, 1920).camera
    assert (cut.K_px == K_px).all() and (cut.width, cut.height) == (1080, 1920)
    half = calibrated_lens(file, Path("x.mp4"), 544, 960).camera
    assert np.allclose(half.K_px[:2], K_px[:2] / 2) and half.K_px[2, 2] == 1
    for size in ((1920, 1088), (1088, 1088), (960, 1920)):
        with pytest.raises(ValueError, match="cam01 was calibrated on pictures of 1088x1920"):
            calibrated_lens(file, Path("x.mp4"), *size)


def test_a_name_behind_a_colon_is_a_camera_unless_it_is_part_of_the_file_s(write):
    file, odd = write("cameras.txt"), write("a:b.txt", lenses.COLMAP)
    assert split_name(file) == (file, None) and split_name(f"{file}:2") == (file, "2")
    assert split_name(odd) == (odd, None) and split_name(f"{odd}:1") == (odd, "1")
    with pytest.raises(FileNotFoundError, match="there is no calibration file"):
        split_name(file.with_name("none.toml"))


TOML, COLMAP = lenses.TOML, "1 PINHOLE 1280 720 "
WRONG = {
    "empty.toml": "",
    "no matrix.toml": "[cam01]\nname = 'x'\n",
    "nan.toml": TOML.replace("1681.2", "nan"),
    "infinite.toml": TOML.replace("533.0", "inf"),
    "huge.toml": TOML.replace("533.0", "1" + "0" * 400),
    "negative.toml": TOML.replace("1681.2", "-1681.2"),
    "zero.toml": TOML.replace("1681.2", "0.0"),
    "skewed.toml": TOML.replace("[[1681.2, 0.0,", "[[1681.2, 500.0,"),
    "short.toml": TOML.replace("[0.0, 0.0, 1.0]]", "[0.0, 0.0]]"),
    "text.toml": TOML.replace("1681.2", "'long'"),
    "folded.toml": TOML.replace("-0.07, 0.02", "-9.0, 0.02"),
    "many.toml": TOML.replace("-0.07, 0.02", ", ".join(["0.1"] * 20)),
    "deep.toml": "a = " + "[" * 100_000,
    "word.toml": TOML.replace("fisheye = false", "fisheye = 'maybe'"),
    "past.toml": TOML.replace("533.0", "5330.0"),
    "size.toml": TOML.replace("[1088.0, 1920.0]", "[0.0, 1920.0]"),
    "turn.toml": TOML.replace("[1.9, 0.9, -0.7]", "[1.9, 0.9]"),
    "empty.yaml": "",
    "no end.yaml": lenses.OPENCV.replace("]", ""),
    "model.yaml": lenses.ROS.replace("plumb_bob", "omnidirectional"),
    "numbers.yaml": lenses.OPENCV.replace("9.5e+02", "9.5e+02x"),
    "aliases.yaml": "a: &a [*a, *a]\ncamera_matrix: *a\n",
    "empty.txt": "# nothing\n",
    "prose.txt": "this is a shopping list\n",
    "model.txt": "1 FOV 1280 720 950 950 640 360 0.9\n",
    "few.txt": COLMAP + "950 950 640\n",
    "nan.txt": COLMAP + "nan 950 640 360\n",
    "size.txt": "1 PINHOLE 1e300 720 950 950 640 360\n",
    "binary.txt": "\0\1\2" * 100,
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_calibration_gets_one_clear_line(write, name):
    file = write(name, WRONG[name])
    given = f"{file}:cam01" if "cam01" in WRONG[name] else file
    with pytest.raises(ValueError, match=name.replace(".", r"\.")) as caught:
        calibrated_lens(given, Path("x.mp4"), 1088, 1920)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600


def test_a_file_that_is_too_large_is_not_read(write):
    with pytest.raises(ValueError, match="more than 1 MB"):
        read_cameras(write("large.yaml", "#" * (1 << 21)))


@pytest.mark.parametrize("name", lenses.WRITTEN)
def test_a_damaged_calibration_is_read_or_refused(write, name):
    rng, text = random.Random(name), lenses.WRITTEN[name]
    for _ in range(300):
        content = list(text)
        for _ in range(rng.randrange(1, 4)):
            content[rng.randrange(len(text))] = rng.choice("0.-e[],:\n \"'x#=")
        try:
            calibrated_lens(write(f"damaged{Path(name).suffix}", "".join(content)), Path("cam01.mp4"), 1280, 720)
        except ValueError as error:
            assert "\n" not in str(error)
