"""motion.npz: what goes in comes out, nothing is unpickled, and a bad file says what is bad."""

import sys
import warnings
import zipfile
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import performers
import pytest

from vibe import __version__
from vibe.arrays import as_numpy
from vibe.body import load_body, rest_joints
from vibe.motion import Motion, Result, load, npz
from vibe.records import Camera, Clip, SmplParams, Weights
from vibe.rotations import rotmat_from_rotvec
from vibe.skeletons import SMPL

CONTRACT = {
    "frames": (7,),
    "box_px": (7, 4),
    "global_orient": (7, 3),
    "body_pose": (7, 69),
    "betas": (10,),
    "pelvis": (7, 3),
    "transl": (7, 3),
    "pred_cam": (7, 3),
    "joints": (7, 24, 3),
    "joints_px": (7, 24, 2),
    "keypoints_px": (7, 17, 3),
    "confidence": (7,),
}
HANDS = {"left_hand_pose": (7, 45), "right_hand_pose": (7, 45), "hand_confidence": (7, 2)}
MAYBE = ("betas_per_frame", "contacts", "joints_std", "R_world_cam", "t_world_cam", *HANDS)
VERSION_1 = Path(__file__).parents[1] / "fixtures" / "motion_version_1.npz"
"""Two people on the open body, the second with a shape a frame, as the first version wrote them."""


TIMES = np.arange(12) / 29.97
BODY = Weights("open", "ab" * 32, "")


def motion(time: int = 7, first: int = 2) -> Motion:
    random = np.random.default_rng(time)

    def drawn(*shape: int) -> np.ndarray:
        return random.standard_normal(shape, np.float32)

    frames = np.arange(first, first + time)
    smpl = SmplParams(rotmat_from_rotvec(drawn(time, 24, 3)), drawn(10), drawn(time, 3))
    names = ("box_px", "transl", "pred_cam", "joints_px", "keypoints_px", "confidence")
    rest = {name: drawn(time, *CONTRACT[name][1:]) for name in names}
    return Motion(frames=frames, times=TIMES[frames], smpl=smpl, joints_cam=drawn(time, 24, 3), body=BODY, **rest)


@pytest.fixture
def result() -> Result:
    clip = Clip(Path("some where/clip ü.mp4"), 29.97, 64, 48, TIMES, 0)
    return Result(
        clip=clip,
        camera=Camera(np.array([[80, 0, 32], [0, 80, 24], [0, 0, 1]], np.float32), 64, 48),
        people=(motion(), motion(3, 0)),
        body=BODY,
        weights=Weights("open", "cd" * 32, "free"),
        notes=("one note",),
    )


CONTRACT_WORLD = {
    "global_orient_world": (7, 3),
    "pelvis_world": (7, 3),
    "joints_world": (7, 24, 3),
    "contacts": (7, 4),
}


def in_world(result: Result) -> Result:
    """The result before a moving camera, with contacts."""
    random = np.random.default_rng(1)
    people = [replace(each, contacts=random.random((len(each), 4), np.float32)) for each in result.people]
    return performers.filmed(replace(result, people=tuple(people)), performers.moving_world(len(TIMES)))


def same(one: Motion, two: Motion, off: float = 0.0) -> bool:
    """Whether all arrays are the same, rotations to rounding."""
    if [name for name in MAYBE if (getattr(one, name) is None) != (getattr(two, name) is None)]:
        return False
    plain = [each.name for each in fields(Motion) if each.name not in ("smpl", "body", "betas_per_frame", "name")]
    plain = [name for name in plain if getattr(one, name) is not None]
    pairs = [(getattr(one, name), getattr(two, name)) for name in plain]
    pairs += [(one.smpl_shaped.betas, two.smpl_shaped.betas), (one.smpl.pelvis, two.smpl.pelvis)]
    exact = all(np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in pairs)
    exact = exact and one.name == two.name
    return exact and np.allclose(one.smpl.rotmat, two.smpl.rotmat, rtol=0, atol=off)


def test_what_is_written_is_read_back(tmp_path, result):
    result.save(tmp_path / "motion.npz")
    back = load(tmp_path / "motion.npz")
    assert len(back.people) == 2
    for mine, its in zip(result.people, back.people, strict=True):
        assert mine.body == its.body and same(mine, its, 1e-6)
    assert np.array_equal(back.clip.timestamps, result.clip.timestamps)
    for name in ("path", "fps", "width", "height", "damaged"):
        assert getattr(back.clip, name) == getattr(result.clip, name), name
    assert np.array_equal(back.camera.K_px, result.camera.K_px)
    assert back.notes == result.notes == ("one note",)
    assert (back.body.name, back.body.sha256) == ("open", "ab" * 32)
    assert (back.weights.name, back.weights.sha256) == ("open", "cd" * 32)


def test_a_world_is_written_and_read_back_with_everybody_in_it(tmp_path, result):
    in_world(result).save(tmp_path / "motion.npz")
    back = load(tmp_path / "motion.npz")
    assert back.world is not None and result.world is None
    for name, value in vars(in_world(result).world).items():
        assert np.array_equal(value, getattr(back.world, name)), name
    for mine, its in zip(in_world(result).people, back.people, strict=True):
        assert same(mine, its, 1e-6) and not same(mine, its.in_world(None), 1e-6)
    with np.load(tmp_path / "motion.npz", allow_pickle=False) as file:
        arrays = dict(file)
    assert {name: arrays[f"1/{name}"].shape for name in CONTRACT_WORLD} == CONTRACT_WORLD
    np.testing.assert_allclose(arrays["1/joints_world"], back.people[0].joints_world, atol=1e-5)
    assert str(arrays["world/camera"]) == "moving" and arrays["camera/R_world_cam"].dtype == np.float32
    assert len(arrays) == 15 + 6 + 2 * len({**CONTRACT, **CONTRACT_WORLD})
    assert len(load(changed(tmp_path / "nan.npz", in_world(result), **{"world/tilt_error_deg": np.array(np.nan)}))) == 2


def with_hands(result: Result) -> Result:
    """The result with fingers of the first person."""
    random, one = np.random.default_rng(2), result.people[0]
    hands = {name: random.random((len(one), *shape[1:]), np.float32) for name, shape in HANDS.items()}
    return replace(result, people=(replace(one, **hands), *result.people[1:]))


def test_fingers_are_written_and_read_back_and_are_there_whole_or_not_at_all(tmp_path, result):
    with_hands(result).save(tmp_path / "motion.npz")
    one, two = load(tmp_path / "motion.npz").people
    assert same(one, with_hands(result).people[0], 1e-6) and two.left_hand_pose is None
    with np.load(tmp_path / "motion.npz", allow_pickle=False) as file:
        assert {name: file[f"1/{name}"].shape for name in HANDS} == HANDS
        part = {name: array for name, array in file.items() if name not in ("1/hand_confidence", "sha256")}
    np.savez(tmp_path / "part.npz", **part, sha256=np.array(npz.arrays_checksum(part)))
    with pytest.raises(ValueError, match="fingers of person 1, but lacks 1/hand_confidence"):
        load(tmp_path / "part.npz")


def test_deviations_are_written_and_read_back_and_none_is_negative(tmp_path, result):
    std = np.abs(np.random.default_rng(3).standard_normal((7, 24, 2))).astype(np.float32)
    one = replace(result.people[0], joints_std=std)
    replace(result, people=(one, *result.people[1:])).save(tmp_path / "motion.npz")
    back, other = load(tmp_path / "motion.npz").people
    assert same(one, back, 1e-6) and other.joints_std is None
    with pytest.raises(ValueError, match="1/joints_std is less than 0 somewhere"):
        load(changed(tmp_path / "less.npz", result, **{"1/joints_std": -std}))


@pytest.mark.parametrize("wrong", [-0.2, 1.5])
def test_contacts_are_probabilities(tmp_path, result, wrong):
    contacts = np.full((len(result.people[0]), 4), wrong, np.float32)
    with pytest.raises(ValueError, match="1/contacts are no probabilities from 0 to 1"):
        load(changed(tmp_path / "wrong.npz", result, **{"1/contacts": contacts}))


def test_a_world_is_written_whole_whatever_the_people_say(tmp_path, result):
    """What people hold of the camera is the result's; contacts need no world."""
    world = in_world(result).world
    replace(in_world(result), people=result.people).save(tmp_path / "motion.npz")
    assert all(person.R_world_cam is not None for person in load(tmp_path / "motion.npz"))
    replace(in_world(result), world=None).save(tmp_path / "motion.npz")
    back = load(tmp_path / "motion.npz")
    assert back.world is None and all(person.R_world_cam is None for person in back)
    assert all(person.contacts is not None for person in back)
    replace(result, people=(), world=world).save(tmp_path / "motion.npz")
    world = load(tmp_path / "motion.npz").world
    assert world is not None and world.camera == "moving"


WORLD_MEMBERS = [
    *("camera/R_world_cam", "camera/t_world_cam", "world/camera", "world/gravity", "world/floor"),
    *("world/tilt_error_deg", "1/global_orient_world", "2/pelvis_world", "1/joints_world"),
]


@pytest.mark.parametrize("member", WORLD_MEMBERS)
def test_part_of_a_world_is_refused(tmp_path, result, member):
    with pytest.raises(ValueError, match=f"has a world, but lacks its {member}"):
        load(changed(tmp_path / "motion.npz", in_world(result), **{member: None}))
    in_world(result).save(tmp_path / "whole.npz")
    with np.load(tmp_path / "whole.npz") as file:
        one = {member: file[member]}
    with pytest.raises(ValueError, match="has a world, but lacks"):
        load(changed(tmp_path / "motion.npz", result, **one))


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"camera/R_world_cam": np.eye(3, dtype=np.float32)[None].repeat(11, 0)}, "camera/R_world_cam"),
        ({"camera/R_world_cam": 1.01 * np.eye(3, dtype=np.float32)[None].repeat(12, 0)}, "no rotations"),
        ({"camera/R_world_cam": -np.eye(3, dtype=np.float32)[None].repeat(12, 0)}, "no rotations"),
        ({"camera/R_world_cam": np.full((12, 3, 3), np.nan, np.float32)}, "R_world_cam has numbers that are not"),
        ({"camera/t_world_cam": np.full((12, 3), np.inf, np.float32)}, "t_world_cam has numbers that are not"),
        ({"camera/t_world_cam": np.zeros(3, np.float32)}, "camera/t_world_cam"),
        ({"world/camera": np.array("flying")}, "world/camera is 'flying', not one of still"),
        ({"world/floor": np.array(["feet"])}, "world/floor"),
        ({"world/tilt_error_deg": np.array(-1.0)}, "world/tilt_error_deg is -1"),
        ({"1/contacts": np.zeros((7, 2), np.float32)}, "1/contacts"),
        ({"1/joints_world": np.full((7, 24, 3), np.nan, np.float32)}, "1/joints_world has numbers that are not"),
        ({"world/wind": np.array(1.0)}, "world/wind"),
    ],
)
def test_a_world_that_is_none_is_refused_with_the_reason(tmp_path, result, arrays, says):
    with pytest.raises(ValueError, match=says):
        load(changed(tmp_path / "motion.npz", in_world(result), **arrays))


def test_the_names_shapes_and_kinds_are_those_of_the_contract(tmp_path, result):
    result.save(tmp_path / "motion.npz")
    with np.load(tmp_path / "motion.npz", allow_pickle=False) as file:
        arrays = dict(file)
    assert str(arrays["format"]) == "vibe-motion 2"
    assert str(arrays["video"]) == str(result.clip.path)
    assert str(arrays["vibe_version"]) == __version__
    assert arrays["joint_names"].tolist() == list(SMPL)
    assert arrays["body"].tolist() == ["open", "ab" * 32]
    assert arrays["weights"].tolist() == ["open", "cd" * 32]
    assert (int(arrays["width"]), int(arrays["height"]), float(arrays["fps"])) == (64, 48, 29.97)
    assert arrays["timestamps"].dtype == np.float64
    assert arrays["camera/K"].shape == (3, 3)
    assert int(arrays["people"]) == 2 and len(str(arrays["sha256"])) == 64
    person = {name: arrays[f"1/{name}"] for name in CONTRACT}
    assert {name: array.shape for name, array in person.items()} == CONTRACT
    assert person.pop("frames").dtype == np.int64
    assert {array.dtype for array in person.values()} == {np.dtype(np.float32)}
    assert not any(array.dtype.hasobject for array in arrays.values())
    assert arrays["notes"].tolist() == ["one note"]
    assert len(arrays) == 15 + 2 * len(CONTRACT)


def test_a_file_of_the_first_version_is_read_with_smpl_s_own_translation(tmp_path):
    old, body = load(VERSION_1), as_numpy(load_body())
    assert [len(person) for person in old] == [3, 3]
    assert [person.betas_per_frame is None for person in old] == [True, False]
    for person in old:
        at_rest = rest_joints(body, person.smpl_shaped.betas)[..., 0, :]
        assert np.abs(person.transl + at_rest - person.smpl.pelvis).max() < 1e-5
        assert np.array_equal(person.joints_cam[:, 0], person.smpl.pelvis)
    old.save(tmp_path / "new.npz")
    for one, two in zip(old, load(tmp_path / "new.npz"), strict=True):
        assert same(one, two, 1e-6) and (one.betas_per_frame is None) == (two.betas_per_frame is None)


@pytest.mark.parametrize("fisheye", [False, True])
def test_the_lens_is_read_back(tmp_path, result, fisheye):
    camera = replace(
        result.camera, distortion=np.array([0.1, -0.02, 0.001, 0.0]), fisheye=fisheye, source="calibration"
    )
    replace(result, camera=camera).save(tmp_path / "motion.npz")
    back = load(tmp_path / "motion.npz").camera
    assert back.distortion is not None and back.distortion.tolist() == [0.1, -0.02, 0.001, 0.0]
    assert (back.fisheye, back.source) == (fisheye, "calibration")
    for numbers in ([np.nan, 0, 0, 0], [1e30, 0, 0, 0], [0.1] * 3, [0.1] * 9, [-9.0, 0, 0, 0]):
        replace(result, camera=replace(camera, distortion=np.array(numbers))).save(tmp_path / "motion.npz")
        with pytest.raises(ValueError, match="numbers that no lens has"):
            load(tmp_path / "motion.npz")


def test_a_file_without_notes_is_read(tmp_path, result):
    """As version 2 was first written."""
    replace(result, notes=()).save(tmp_path / "motion.npz")
    with np.load(tmp_path / "motion.npz") as file:
        arrays = {name: file[name] for name in file.files if name not in ("notes", "sha256")}
    arrays["sha256"] = np.array(npz.arrays_checksum(arrays))
    np.savez(tmp_path / "old.npz", **arrays)
    assert load(tmp_path / "old.npz").notes == () and len(load(tmp_path / "old.npz")) == 2


def test_a_result_is_shown_as_a_line_for_each_person(result):
    first, *people = repr(result).splitlines()
    assert first == "Result of clip ü.mp4: 2 people, 12 frames"
    assert [line.split(":")[0].strip() for line in people] == ["person 1", "person 2"]
    assert "7 frames from 2 (0.07 s) to 8 (0.27 s)" in people[0] and len(repr(result)) < 400
    assert repr(result.people[0][100.0:]) == "Motion of no frames"


def flipped(content: bytes, bit: int) -> bytes:
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def is_whole_or_refused(path: Path, content: bytes, whole: Result) -> bool:
    """Whether the bytes are read as the whole result; raises what is no clear refusal."""
    path.write_bytes(content)
    try:
        read = load(path)
    except ValueError as error:
        assert str(path) in str(error) and len(str(error)) < 700 and "\n" not in str(error), error
        return True
    same_people = len(read) == len(whole) and all(map(same, read, whole))
    same_video = np.array_equal(read.clip.timestamps, whole.clip.timestamps) and read.clip.path == whole.clip.path
    return same_people and same_video and np.array_equal(read.camera.K_px, whole.camera.K_px)


@pytest.mark.parametrize("version", [1, 2])
def test_with_any_bit_flipped_a_file_is_read_whole_or_refused(tmp_path, result, version):
    path = tmp_path / "motion.npz"
    replace(result, people=(motion(1),)).save(path)
    content = VERSION_1.read_bytes() if version == 1 else path.read_bytes()
    path.write_bytes(content)
    whole, directory = load(path), content.index(b"PK\x01\x02")
    random, contents = np.random.default_rng(0), range(8 * directory, 8 * len(content))
    anywhere = random.choice(8 * directory, 200, replace=False).tolist()
    # every bit of the directory's last entry and of its end, of the entries before, which are alike, a sample
    last = range(8 * content.rindex(b"PK\x01\x02"), 8 * len(content)) if version == 2 else ()
    for bit in [*anywhere, *last, *random.choice(contents, 1000, replace=False).tolist()]:
        assert is_whole_or_refused(path, flipped(content, bit), whole), bit


@pytest.mark.parametrize("version", [1, 2])
def test_without_any_member_or_with_one_doubled_a_file_is_refused(tmp_path, result, version):
    path = tmp_path / "motion.npz"
    result.save(path)
    with zipfile.ZipFile(VERSION_1 if version == 1 else path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for name in members:
        for names in ([other for other in members if other != name], [*members, name]):
            with zipfile.ZipFile(path, "w") as archive, warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                for each in names:
                    archive.writestr(each, members[each])
            with pytest.raises(ValueError, match=r"motion\.npz"):
                load(path)


@pytest.mark.parametrize("stranger", ["3/frames.npy", "readme.txt", "1/spare.npy"])
def test_a_file_with_more_in_it_is_refused(tmp_path, result, stranger):
    path = tmp_path / "motion.npz"
    result.save(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(stranger, archive.read("1/frames.npy"))
    with pytest.raises(ValueError, match=r"motion\.npz"):
        load(path)


def test_nobody_in_view_is_a_file_without_people(tmp_path, result):
    replace(result, people=()).save(tmp_path / "motion.npz")
    assert load(tmp_path / "motion.npz").people == ()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files")
def test_writing_to_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, result):
    import resource

    target = tmp_path / "motion.npz"
    target.write_bytes(b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            result.save(target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in tmp_path.iterdir()] == ["motion.npz"]
    assert target.read_bytes() == b"old"


def changed(path: Path, result: Result, **arrays: object) -> Path:
    """A motion file in which some arrays are others, or absent where None stands; its checksum is right."""
    result.save(path)
    with np.load(path, allow_pickle=False) as file:
        content = {name: array for name, array in file.items() if name not in (*arrays, "sha256")}
    content |= {name: array for name, array in arrays.items() if array is not None}
    if not any(np.asarray(array).dtype.hasobject for array in content.values()):
        content["sha256"] = np.array(npz.arrays_checksum(content))
    np.savez(path, **content)
    return path


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"format": np.array("vibe-motion 9")}, "vibe-motion 9.*update vibe"),
        ({"format": np.array("a song")}, "a song.*give a motion.npz"),
        ({"format": None}, "unknown"),
        ({"timestamps": None}, "lacks timestamps"),
        ({"2/pelvis": None}, "lacks 2/pelvis"),
        ({"people": np.array(3)}, "2 people of 3"),
        ({"1/pelvis": np.zeros((6, 3), np.float32)}, "1/pelvis"),
        ({"1/betas": np.zeros(16, np.float32)}, "expected 10"),
        ({"1/betas_per_frame": np.zeros((6, 10), np.float32)}, "1/betas_per_frame"),
        ({"1/frames": np.arange(7.0)}, "1/frames"),
        ({"1/frames": np.arange(7) + 6}, "indices into the video"),
        ({"1/frames": np.arange(7)[::-1]}, "indices into the video"),
        ({"video": np.array([Path("x")], dtype=object)}, "no plain numbers"),
        ({"1/transl": np.full((7, 3), np.nan, np.float32)}, "1/transl has numbers that are not finite"),
        ({"2/betas": np.full(10, np.inf, np.float32)}, "2/betas has numbers that are not finite"),
        ({"timestamps": TIMES[::-1]}, "timestamps do not increase"),
        ({"timestamps": TIMES * np.nan}, "timestamps do not increase"),
        ({"fps": np.array(np.nan)}, "no video"),
        ({"fps": np.array(0.0)}, "no video"),
        ({"width": np.array(-64, np.int32)}, "no video"),
        ({"height": np.array(1 << 30, np.int32)}, "no video"),
        ({"camera/K": np.diag(np.array([80, 0, 1], np.float32))}, "no camera has"),
        ({"camera/K": np.full((3, 3), np.nan, np.float32)}, "no camera has"),
    ],
)
def test_a_file_that_breaks_the_contract_is_refused_with_the_reason(tmp_path, result, arrays, says):
    with pytest.raises(ValueError, match=says):
        load(changed(tmp_path / "motion.npz", result, **arrays))


def test_a_number_that_was_changed_by_hand_is_noticed(tmp_path, result):
    result.save(tmp_path / "motion.npz")
    with np.load(tmp_path / "motion.npz", allow_pickle=False) as file:
        content = dict(file)
    content["1/pelvis"][0, 0] += 1e-3
    np.savez(tmp_path / "motion.npz", **content)
    with pytest.raises(ValueError, match="its checksum differs"):
        load(tmp_path / "motion.npz")


@pytest.mark.parametrize("content", [b"", b"PK\x05\x06", b"\x80\x04N.", b"not a file of ours" * 99])
def test_a_file_of_another_kind_is_refused(tmp_path, content):
    path = tmp_path / "motion.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"motion\.npz"):
        load(path)


def test_every_cut_of_a_file_is_refused(tmp_path, result):
    path = tmp_path / "motion.npz"
    result.save(path)
    content = path.read_bytes()
    for length in range(0, len(content) - 1, 997):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match=r"motion\.npz"):
            load(path)


def test_a_header_that_promises_terabytes_takes_no_memory(tmp_path):
    path = tmp_path / "motion.npz"
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }"
    header += b" " * (64 - (len(header) + 11) % 64) + b"\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("timestamps.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(ValueError, match="not as many as it says"):
        load(path)


@pytest.mark.parametrize(
    "header",
    [
        b"(((((",
        b"[" * 9000,
        b"{1: 2, 'a': 3}",
        b"{[]: 2}",
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}",
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999999, 0)}",
        b"{'descr': [('a',)], 'fortran_order': False, 'shape': ()}",
    ],
)
@pytest.mark.parametrize("packed", [zipfile.ZIP_STORED, zipfile.ZIP_BZIP2])
def test_a_header_that_is_no_header_is_refused(tmp_path, header, packed):
    path = tmp_path / "motion.npz"
    with zipfile.ZipFile(path, "w", packed) as archive:
        archive.writestr("timestamps.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(ValueError, match=r"motion\.npz is no \.npz file"):
        load(path)


def test_a_missing_file_is_not_found(tmp_path):
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "absent.npz")


def test_a_shape_for_each_frame_is_kept(tmp_path, result):
    shapes = np.random.default_rng(0).standard_normal((7, 10), np.float32)
    replace(result, people=(replace(motion(), betas_per_frame=shapes),)).save(tmp_path / "motion.npz")
    found = load(tmp_path / "motion.npz").people[0].betas_per_frame
    assert found is not None and np.array_equal(found, shapes)
