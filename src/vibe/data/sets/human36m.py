"""Human3.6M: actors before four cameras, with marker-based motion capture in files of NASA's Common Data Format."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from vibe.assets.archives import read_npz
from vibe.data.recording import File, RawSet, Recording
from vibe.data.sets import annotations
from vibe.errors import damaged, needs_extra
from vibe.video.read import count_frames

LARGEST = 1 << 26
"""Bytes that a file and its variable may have, packed or not; those of the set have less than 5 MB."""
MOST = 1000
"""Variables of a file, dimensions, and pieces of a variable with their lists; the set's files have a few of each."""
WIDTHS = {"cdf30001": (8, 256), "cdf26002": (4, 64)}
"""How a file begins: the bytes of a place in it, and of a variable's name."""
FLOATS = (21, 22, 44, 45)
LISTED, VARIABLE, PACKED = 6, 8, 13
"""Kinds of records: pieces of a variable, a variable with its own dimensions, a packed piece."""


def read_cdf(path: Path, name: str) -> ndarray:
    """A variable's numbers, record after record; raises FileNotFoundError, or ValueError, which names the file."""
    with needs_extra("a CDF file", "cdflib", "data"):
        import cdflib

    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}: get it from the set's owner, or check the folder")
    # What the reader raises on damaged files is any kind: struct's error, UnicodeDecodeError, IndexError ...
    with damaged(f"{path} is no CDF file with {name}, or cut off or damaged", "copy it again", Exception):
        if path.stat().st_size > LARGEST:
            raise ValueError(f"it has more than {LARGEST >> 20} MB")
        _Claims(path.read_bytes()).check()
        file = cdflib.CDF(path)
        about = file.varinq(name)
        if about.Data_Type not in FLOATS or about.Num_Elements != 1 or about.Sparse != "No_sparse":
            raise ValueError("its variable is not of plain floats")
        if min(about.Dim_Sizes, default=1) < 1 or (about.Last_Rec + 1) * math.prod(about.Dim_Sizes) * 8 > LARGEST:
            raise ValueError(f"its variable has no size, or takes more than {LARGEST >> 20} MB")
        return np.asarray(file.varget(name))


class _Claims:
    """The counts of a file, to which cdflib counts, be it for hours: each is looked at before."""

    def __init__(self, content: bytes) -> None:
        if content[:4].hex() not in WIDTHS:
            raise ValueError("it does not begin as one")
        self._wide, self._named = WIDTHS[content[:4].hex()]
        if content[4:8] != b"\0\0\xff\xff":
            end = 8 + int.from_bytes(content[8 : 8 + self._wide], "big")
            content = content[:8] + _unpacked(content[16 + 3 * self._wide : end])
        self._content, self._left = content, LARGEST

    def check(self) -> None:
        """Raises ValueError for what a file can't hold."""
        wide = self._wide
        if wide == 4 and self._number(24, 4) < 5:
            raise ValueError("it is older than version 2.5")
        about = 8 + self._number(8)
        counts = about + 5 * wide + 4
        self._count(counts + 12)
        for first, several in ((about + wide + 4, counts), (about + 2 * wide + 4, counts + 16)):
            next_place = first
            for _ in range(self._count(several)):
                variable = self._number(next_place)
                self._check_variable(variable)
                next_place = variable + wide + 4

    def _check_variable(self, place: int) -> None:
        """Its dimensions and the pieces that it consists of."""
        wide = self._wide
        if self._number(place + wide, 4) == VARIABLE:
            self._count(place + 5 * wide + 44 + self._named)
        if self._number(place + 2 * wide + 8, 4) < 0:
            return
        lists, seen = [self._number(place + 2 * wide + 12)], 0
        while lists:
            place = lists.pop()
            there, used = self._count(place + 2 * wide + 4), self._count(place + 2 * wide + 8)
            seen += 1 + used
            for each in range(used):
                start = self._number(place + 2 * wide + 12 + 8 * there + wide * each)
                if self._number(start + wide, 4) == LISTED:
                    lists.append(start)
                else:
                    self._left -= self._size(start)
                if self._left < 0:
                    raise ValueError(f"its variables take more than {LARGEST >> 20} MB")
            if following := self._number(place + wide + 4):
                lists.append(following)
            if seen + len(lists) > MOST:
                raise ValueError(f"its variable has more than {MOST} pieces")

    def _size(self, place: int) -> int:
        """Bytes of a piece, and of what was packed in it."""
        wide, size = self._wide, self._number(place)
        if not wide < size <= len(self._content) - place:
            raise ValueError(f"it claims a piece of {size} bytes")
        if self._number(place + wide, 4) != PACKED:
            return size
        packed = place + 2 * wide + 8
        return size + len(_unpacked(self._content[packed : packed + self._number(place + wide + 8)]))

    def _count(self, place: int) -> int:
        if not 0 <= (claimed := self._number(place, 4)) <= MOST:
            raise ValueError(f"it claims {claimed} of what it can have {MOST} of")
        return claimed

    def _number(self, place: int, size: int = 0) -> int:
        """Of so many bytes, or as wide as a place."""
        size = size or self._wide
        if not 0 <= place <= len(self._content) - size:
            raise ValueError(f"it points to byte {place} of {len(self._content)}")
        return int.from_bytes(self._content[place : place + size], "big", signed=True)


def _unpacked(packed: bytes) -> bytes:
    """What gzip packed; raises ValueError if it is too much."""
    unpacking = zlib.decompressobj(zlib.MAX_WBITS | 32)
    content = unpacking.decompress(packed, LARGEST)
    if unpacking.unconsumed_tail:
        raise ValueError(f"it unpacks to more than {LARGEST >> 20} MB")
    return content


LAYOUT = (
    "S1, S5, S6, S7, S8, S9 and S11, each with MyPoseFeatures/D2_Positions/Directions.54138969.cdf ..., "
    "MyPoseFeatures/D3_Positions_mono of the same names (or MyPoseFeatures/D3_Positions/Directions.cdf ... beside "
    "metadata.xml of the set's code in the raw folder) and Videos/Directions.54138969.mp4 ...; where you have them, "
    "SMPL parameters in SMPL/Directions.54138969.npz ...: poses [frame, 72], betas [10] or [frame, 10] and trans "
    "[frame, 3] in the camera's frame, metres; frames [frame], indices into the video, if they are not of all frames; "
    "gender, if not neutral"
)
TRAIN, TEST = ("S1", "S5", "S6", "S7", "S8"), ("S9", "S11")
CAMERAS = ("54138969", "55011271", "58860488", "60457274")
"""In the order of metadata.xml."""
FPS, STEP = 25.0, 2
"""Every second frame of 50 a second."""
SPARE = 50
"""Frames that may be annotated after the end of a video."""
JOINTS = (0, 6, 7, 8, 1, 2, 3, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27)
"""Where the joints of `h36m17` stand among the set's 32, of which several are one point."""
SUBJECTS_IN_METADATA = 11


def _files(root: Path) -> list[File]:
    """The file of 2D positions of each video, be it there or not."""
    files = []
    for subject in (*TRAIN, *TEST):
        pixels = root / subject / "MyPoseFeatures" / "D2_Positions"
        names = {path.stem for path in (*pixels.glob("*.cdf"), *(root / subject / "Videos").glob("*.mp4"))}
        names = sorted(name for name in names if not name.startswith("_ALL"))
        files += [(f"{subject}/{name}", pixels / f"{name}.cdf") for name in names] or [(subject, pixels / "*.cdf")]
    return files


def _read(root: Path, name: str, path: Path) -> Iterator[Recording]:
    subject, name = name.split("/")
    features, video = root / subject / "MyPoseFeatures", root / subject / "Videos" / f"{name}.mp4"
    if "." not in name:
        raise ValueError(f"{video} has no camera in its name, as in Directions.54138969.mp4: give it back its name")
    pixels, points = _positions(path, 2), _points(root, subject, name)
    if len(pixels) != len(points):
        raise ValueError(f"{features} has {len(pixels)} 2D and {len(points)} 3D rows of {name}: copy both again")
    if not video.is_file():
        raise FileNotFoundError(f"there is no {video}: add it, frames without pictures are of no use")
    frames = np.arange(0, annotations.shared_frames(len(pixels), count_frames(video), SPARE, video), STEP)
    marked = annotations.all_seen(pixels[frames])
    parameters, gender = _parameters(root / subject / "SMPL" / f"{name}.npz", frames)
    yield Recording(
        f"{subject}/{name}",
        frames,
        FPS,
        columns={
            "points.spin49": annotations.to_spin49(points[frames], "h36m17"),
            "keypoints_px.spin49": annotations.to_spin49(marked, "h36m17"),
            "box_px": annotations.boxes_around(marked),
            **parameters,
        },
        subject=subject,
        split="test" if subject in TEST else "train",
        source=video.relative_to(root).as_posix(),
        step=STEP,
        gender=gender,
        K_px=annotations.fit_intrinsics(points, pixels),
    )


def _positions(path: Path, axes: int) -> Float[ndarray, "time 17 _"]:
    """The 17 joints of a file of positions, in its own unit."""
    rows = annotations.check_numbers(read_cdf(path, "Pose"), (1, None, 32 * axes), f"{path}: Pose")[0]
    if not len(rows):
        raise ValueError(f"{path} is an annotation without a person: it has no rows")
    return rows.reshape(-1, 32, axes)[:, JOINTS]


def _points(root: Path, subject: str, name: str) -> Float[ndarray, "time 17 3"]:
    """The joints in the camera's frame, metres."""
    features, (action, camera) = root / subject / "MyPoseFeatures", name.rsplit(".", 1)
    mono, world = features / "D3_Positions_mono" / f"{name}.cdf", features / "D3_Positions" / f"{action}.cdf"
    if mono.is_file():
        return _positions(mono, 3) / 1000
    about = root / "metadata.xml"
    if not world.is_file() or not about.is_file():
        raise FileNotFoundError(f"there is no {mono}, and not both {world} and {about}: add what you have of them")
    R_cam_world, place = read_camera(about, int(subject[1:]), camera)
    return (_positions(world, 3) / 1000 - place) @ R_cam_world.T


def read_camera(path: Path, subject: int, camera: str) -> tuple[Float[ndarray, "3 3"], Float[ndarray, "3"]]:
    """A camera's rotation (R_cam_world) and its place in the world in metres, from metadata.xml.

    That file lists six numbers for each camera and subject, then nine for each camera's lens. Raises ValueError, which
    names the file, if it is none or damaged.
    """
    from xml.etree import ElementTree

    from scipy.spatial.transform import Rotation

    if camera not in CAMERAS:
        raise ValueError(f"Human3.6M has no camera {camera}: give the file back its name, as Directions.54138969.mp4")
    placed = 6 * len(CAMERAS) * SUBJECTS_IN_METADATA
    with damaged(f"{path} holds no cameras w0", "copy it from the set's code", ElementTree.ParseError):
        [element] = ElementTree.parse(path).getroot().iter("w0")
        numbers = np.array((element.text or "").strip().strip("[]").split(), np.float64)
        annotations.check_numbers(numbers, (placed + 9 * len(CAMERAS),), "w0")
    places = numbers[:placed].reshape(len(CAMERAS), SUBJECTS_IN_METADATA, 2, 3)
    angles, position = places[CAMERAS.index(camera), subject - 1]
    return Rotation.from_euler("XYZ", angles).as_matrix(), position / 1000


def _parameters(path: Path, frames: Int[ndarray, "time"]) -> tuple[dict[str, ndarray], str]:
    """SMPL's parameters in these frames of the video, where the user's file has them, and of which body."""
    if not path.is_file():
        return {}, "neutral"
    held = read_npz(path, ("poses", "betas", "trans", "frames", "gender"))
    missing = {"poses", "betas", "trans"} - set(held)
    if missing:
        raise ValueError(f"{path} has no {', '.join(sorted(missing))}: it holds {LAYOUT[LAYOUT.index('poses [') :]}")
    poses = annotations.check_numbers(held["poses"], (None, 72), f"{path}: poses")
    count, known = len(poses), held.get("frames", np.arange(len(poses)))
    trans = annotations.check_numbers(held["trans"], (count, 3), f"{path}: trans")
    betas = np.tile(held["betas"], (count, 1)) if held["betas"].ndim == 1 else held["betas"]
    betas = annotations.check_numbers(betas, (count, 10), f"{path}: betas")
    known = annotations.check_numbers(known, (count,), f"{path}: frames").astype(np.int64)
    _, rows, places = np.intersect1d(frames, known, return_indices=True)
    values: dict[str, ndarray] = {"has_theta": np.isin(frames, known)}
    for name, part in (("poses", poses), ("betas", betas), ("trans", trans)):
        values[name] = np.zeros((len(frames), part.shape[1]))
        values[name][rows] = part[places]
    return values, str(held.get("gender", "neutral"))


HUMAN36M = RawSet(
    title="Human3.6M",
    licence="Human3.6M, Romanian Academy and others: academic use only, no redistribution.",
    layout=LAYOUT,
    files=_files,
    read=_read,
    beside=(
        *(f"S*/MyPoseFeatures/{kind}/*.cdf" for kind in ("D2_Positions", "D3_Positions_mono", "D3_Positions")),
        "S*/SMPL/*.npz",
        "metadata.xml",
    ),
    recipe={
        "fps": FPS,
        "step": STEP,
        "test": list(TEST),
        "joints": f"h36m17, numbers {', '.join(map(str, JOINTS))} of the set's 32, in the set spin49",
        "K_px": "pinhole that projects the 3D joints onto the 2D ones best, since lenses distort",
        "box_px": "around the 17 joints, with the package's margin",
    },
)
