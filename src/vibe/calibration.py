"""Calibrated cameras from the files of other programs: Pose2Sim's TOML, OpenCV's and ROS's YAML, COLMAP's cameras.txt.

The files are small texts; numbers alone are taken from them, and what does not fit is refused with one line.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float
from numpy import ndarray

from vibe.distortion import is_invertible
from vibe.errors import shorten
from vibe.records import Camera, Lens

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pyright: ignore[reportMissingImports]

LARGEST = 1 << 20
"""Bytes of a calibration file."""
PADDING_PX = 16
"""Pixels at the right or at the bottom that codecs add and players cut off."""
ASPECT = 0.01
"""Relative difference between the sides' ratios within which a picture is another size of the calibrated one."""
CORNER_PX = 0.5
"""From OpenCV's pixels, whose first one has its middle at 0, to ours, whose first one has its corner there."""
COLMAP: Mapping[str, tuple[tuple[str, ...], bool]] = {
    "SIMPLE_PINHOLE": (("f", "cx", "cy"), False),
    "PINHOLE": (("fx", "fy", "cx", "cy"), False),
    "SIMPLE_RADIAL": (("f", "cx", "cy", "k1"), False),
    "RADIAL": (("f", "cx", "cy", "k1", "k2"), False),
    "OPENCV": (("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2"), False),
    "FULL_OPENCV": (("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6"), False),
    "SIMPLE_RADIAL_FISHEYE": (("f", "cx", "cy", "k1"), True),
    "RADIAL_FISHEYE": (("f", "cx", "cy", "k1", "k2"), True),
    "OPENCV_FISHEYE": (("fx", "fy", "cx", "cy", "k1", "k2", "k3", "k4"), True),
}
"""COLMAP's models that can be read: their parameters in order, and whether they are of a fisheye."""
COEFFICIENTS = {False: ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6"), True: ("k1", "k2", "k3", "k4")}
"""Of a distortion in OpenCV's order, and of a fisheye's."""
FISHEYES = ("fisheye", "equidistant")
PLAIN = ("plumb_bob", "rational_polynomial", "radtan", "pinhole", "")
"""What ROS and others call the distortions that can be read."""
YAML_MATRIX = ("camera_matrix", "cameraMatrix", "intrinsic_matrix", "K")
YAML_DISTORTION = ("distortion_coefficients", "distortionCoefficients", "distCoeffs", "dist_coeffs", "dist_coeff", "D")
"""Under what names matrix and distortion stand in YAML files."""


@dataclass(frozen=True)
class CalibratedCamera:
    """One camera of a calibration file."""

    name: str
    K_px: Float[ndarray, "3 3"]
    """Of the calibrated picture, whose top left pixel has its outer corner at 0."""
    size_px: tuple[int, int] | None
    """Of the calibrated picture: width and height, where the file tells them."""
    distortion: tuple[float, ...] = ()
    fisheye: bool = False
    R_cam_world: Float[ndarray, "3 3"] | None = None
    """From a world with z up, where the file tells it."""
    t_cam_world: Float[ndarray, "3"] | None = None
    """Metres."""


def calibrated_lens(given: Path | str, video: Path, width: int, height: int) -> Lens:
    """The lens of a video of this size, from a calibration named as FILE or FILE:CAMERA.

    Of several cameras the one is taken that has the video's name. Raises OSError or ValueError, with one line.
    """
    path, wanted = split_name(given)
    return _fitted(path, _chosen(path, read_cameras(path), wanted, video), width, height)


def calibrated_place(given: Path | str, video: Path) -> tuple[Float[ndarray, "3 3"], Float[ndarray, "3"]] | None:
    """R_cam_world and t_cam_world (metres) of a video's camera, where its calibration tells them; errors likewise."""
    path, wanted = split_name(given)
    found = _chosen(path, read_cameras(path), wanted, video)
    return None if found.R_cam_world is None or found.t_cam_world is None else (found.R_cam_world, found.t_cam_world)


def split_name(given: Path | str) -> tuple[Path, str | None]:
    """The file of FILE or FILE:CAMERA, and the camera's name; raises FileNotFoundError."""
    path, wanted = Path(given), None
    if not path.is_file() and ":" in str(given):
        file, _, wanted = str(given).rpartition(":")
        path = Path(file)
    if not path.is_file():
        raise FileNotFoundError(f"there is no calibration file {given}: give FILE, or FILE:CAMERA")
    return path, wanted


def read_cameras(path: Path) -> list[CalibratedCamera]:
    """All cameras of a calibration file, at least one; raises OSError or ValueError, with one line."""
    with path.open("rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError(f"{path} is no calibration: it has more than {LARGEST >> 20} MB")
    try:
        text = content.decode("utf-8-sig")
        cameras = READERS.get(path.suffix.lower(), _colmap)(text)
    except (ValueError, TypeError, LookupError, OverflowError, RecursionError) as error:
        why = shorten(" ".join(str(error).split()) or type(error).__name__)
        raise ValueError(
            f"{path} is no calibration that can be read ({why}): give Pose2Sim's .toml, OpenCV's .yaml or COLMAP's "
            "cameras.txt"
        ) from error
    if not cameras:
        raise ValueError(f"{path} names no camera: give Pose2Sim's .toml, OpenCV's .yaml or COLMAP's cameras.txt")
    return cameras


def _chosen(path: Path, cameras: Sequence[CalibratedCamera], wanted: str | None, video: Path) -> CalibratedCamera:
    """The camera asked for, or the one with the video's name, or the only one."""
    names = [camera.name for camera in cameras]
    if len(cameras) == 1 and wanted is None:
        return cameras[0]
    name = video.stem if wanted is None else wanted
    if names.count(name) != 1:
        there = shorten(", ".join(names))
        raise ValueError(f"{path} has no one camera {name}: choose one of its own as in {path}:{names[0]} ({there})")
    return cameras[names.index(name)]


def _fitted(path: Path, found: CalibratedCamera, width: int, height: int) -> Lens:
    """The camera as it is in a picture of this size, with what it tells of gravity."""
    K_px, here = found.K_px.copy(), f"{path}: the camera {found.name}"
    wide, high = found.size_px or (width, height)
    if not (0 <= wide - width < PADDING_PX and 0 <= high - height < PADDING_PX):
        if abs(wide * height / (high * width) - 1) > ASPECT:
            raise ValueError(
                f"{here} was calibrated on pictures of {wide}x{high}, the video has {width}x{height}: "
                "calibrate it as the video was recorded and turned"
            )
        K_px[:2] *= np.array([[width / wide], [height / high]])
    if not (0 < K_px[0, 2] < width and 0 < K_px[1, 2] < height):
        raise ValueError(f"{here} looks past the picture of {width}x{height}: calibrate it at the video's size")
    import torch

    bends = torch.tensor(found.distortion) if any(found.distortion) or found.fisheye else None
    camera = Camera(torch.from_numpy(K_px).float(), width, height, bends, found.fisheye, "calibration")
    if bends is not None and not is_invertible(camera):
        raise ValueError(
            f"{here} has a distortion that folds the picture: calibrate it with fewer coefficients, or as a fisheye"
        )
    return _with_gravity(Lens(camera), found)


def _with_gravity(lens: Lens, found: CalibratedCamera) -> Lens:
    """The same with the direction up, unless the camera would look at the sky or hang upside down there."""
    if found.R_cam_world is None or found.t_cam_world is None:
        return lens
    up_cam = found.R_cam_world[:, 2]
    if up_cam[1] > -0.05 and up_cam[2] > -0.9:
        return replace(lens, notes=("the calibration's world is not z up: it tells nothing of gravity",))
    height_m = float(-(found.R_cam_world.T @ found.t_cam_world)[2])
    return replace(lens, up_cam=up_cam.astype(np.float32), height_m=height_m)


def _pose2sim(text: str) -> list[CalibratedCamera]:
    """Pose2Sim's TOML, which is Anipose's too: a table for each camera, the world z up, metres."""
    found = []
    for key, table in tomllib.loads(text).items():
        if not isinstance(table, dict) or "matrix" not in table:
            continue
        turn, place = (_numbers(table[name], 3) if name in table else None for name in ("rotation", "translation"))
        fisheye = table.get("fisheye", False)
        if not isinstance(fisheye, bool):
            raise ValueError(f"fisheye of {key} is neither true nor false")
        found.append(
            CalibratedCamera(
                _name(table.get("name", key)),
                _matrix(_numbers(table["matrix"], 9), CORNER_PX),
                _size(table.get("size")),
                _coefficients(table.get("distortions", []), fisheye),
                fisheye,
                None if turn is None else cv2.Rodrigues(turn)[0],
                place,
            )
        )
    return found


def _yaml(text: str) -> list[CalibratedCamera]:
    """OpenCV's file storage or ROS's camera_info: numbers and lists of them under known names, and no more of YAML."""
    entries = {}
    for part in re.split(r"^(?=[A-Za-z_]\w*[ \t]*:)", text, flags=re.MULTILINE):
        name, _, entries[name.strip()] = part.partition(":")

    def word(*names: str) -> str:
        found = [re.sub(r"#.*", "", entries[name]).strip().strip("\"'") for name in names if name in entries]
        return found[0] if found else ""

    matrix = next((entries[name] for name in YAML_MATRIX if name in entries), None)
    if matrix is None:
        return []
    bends = _yaml_numbers(next((entries[name] for name in YAML_DISTORTION if name in entries), ""))
    model = word("distortion_model", "camera_model").lower()
    fisheye = model in FISHEYES or word("fisheye_model", "fisheye").lower() in ("1", "true")
    if not fisheye and model not in PLAIN:
        raise ValueError(f"the distortion {model} is unknown")
    sides = [word(f"image_{side}", f"image{side.title()}", side) for side in ("width", "height")]
    return [
        CalibratedCamera(
            _name(word("camera_name") or "camera"),
            _matrix(_numbers(_yaml_numbers(matrix), 9), CORNER_PX),
            _size(sides if all(sides) else None),
            _coefficients(bends, fisheye),
            fisheye,
        )
    ]


def _yaml_numbers(entry: str) -> list[float]:
    """The numbers of a list in brackets or one a line behind dashes, maybe as `data` of a matrix."""
    data = re.sub(r"#.*", "", entry.rpartition("data:")[2])
    if "[" in data:
        data = data[data.index("[") : data.rindex("]") + 1]
    return [float(each) for each in re.split(r"[\s,\[\]]+", data) if each not in ("", "-")]


def _colmap(text: str) -> list[CalibratedCamera]:
    """COLMAP's cameras.txt: number, model, width, height and parameters in each line."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        number, model, *rest = words
        if not number.isdigit() or not re.fullmatch(r"[A-Z_]{1,40}", model):
            raise ValueError(f"the line {line[:40]} is of no camera")
        if model not in COLMAP:
            raise ValueError(f"the camera model {model} is unknown")
        names, fisheye = COLMAP[model]
        values = dict(zip(names, _numbers(rest[2:], len(names))))
        fx, fy = (values[name if name in values else "f"] for name in ("fx", "fy"))
        K_px = _matrix([fx, 0, values["cx"], 0, fy, values["cy"], 0, 0, 1], 0.0)
        bends = [values.get(name, 0.0) for name in COEFFICIENTS[fisheye]]
        found.append(CalibratedCamera(number, K_px, _size(rest[:2]), _coefficients(bends, fisheye), fisheye))
    return found


READERS = {".toml": _pose2sim, ".yaml": _yaml, ".yml": _yaml, ".txt": _colmap}
"""What reads a calibration file, by the ending of its name."""


def _name(value: Any) -> str:
    """A camera's name, at a length that a command line and a message can hold."""
    return " ".join(str(value).split())[:60]


def _numbers(values: Any, count: int) -> Float[ndarray, "number"]:
    """So many finite numbers, in one row."""
    array = np.array(values, np.float64).reshape(-1)
    if array.size != count or not np.isfinite(array).all():
        raise ValueError(f"there are {array.size} numbers where {count} finite ones belong")
    return array


def _matrix(numbers: Sequence[float] | ndarray, shift_px: float) -> Float[ndarray, "3 3"]:
    """An intrinsic matrix in our pixels, which are so far from the file's."""
    K_px = np.array(numbers, np.float64).reshape(3, 3)
    if not (1 < K_px[0, 0] < 1e6 and 1 < K_px[1, 1] < 1e6) or abs(K_px[0, 1]) > 0.01 * K_px[0, 0]:
        raise ValueError(f"focal lengths of {K_px[0, 0]:g} and {K_px[1, 1]:g} px, skew {K_px[0, 1]:g}, are of no lens")
    if np.abs(K_px[[1, 2, 2], [0, 0, 1]]).max() > 0 or K_px[2, 2] != 1:
        raise ValueError("the matrix is no intrinsic one")
    K_px[:2, 2] += shift_px
    return K_px


def _size(values: Any) -> tuple[int, int] | None:
    """Width and height of the calibrated picture."""
    if values is None:
        return None
    wide, high = _numbers(values, 2)
    if not (1 <= wide <= 1e5 and 1 <= high <= 1e5):
        raise ValueError(f"a picture of {wide:g}x{high:g} is none")
    return round(wide), round(high)


def _coefficients(values: Any, fisheye: bool) -> tuple[float, ...]:
    """Distortion in OpenCV's order, of as many coefficients as OpenCV knows; those of thin prisms must be 0."""
    numbers = np.array(values, np.float64).reshape(-1)
    known = len(COEFFICIENTS[fisheye])
    if not np.isfinite(numbers).all() or (len(numbers) > 4 and fisheye) or numbers[known:].any() or len(numbers) > 14:
        raise ValueError(f"a distortion of {len(numbers)} coefficients is unknown")
    return tuple(np.pad(numbers[:known], (0, max(0, 4 - len(numbers)))).tolist())
