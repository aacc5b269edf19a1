import re
from pathlib import Path

import captures
import pytest
import torch

from vibe.data.sets import bvh, mocap

WHO = captures.person(
    [
        ("Hips", "", (0, 0, 0)),
        ("Spine", "Hips", (0, 0.2, 0.01)),
        ("Head", "Spine", (0, 0.4, 0)),
        ("Left Arm", "Spine", (0.2, 0.3, 0)),
    ]
)
LOCAL, ROOT = captures.motion(4, 7, 120)


def written(folder: Path, **options) -> Path:
    return captures.write_bvh(folder / "clip.bvh", WHO, LOCAL, ROOT, 120, 0.01, **options)


@pytest.mark.parametrize("order", ["ZXY", "YXZ", "XYZ", "ZYX"])
@pytest.mark.parametrize("everywhere", [False, True])
def test_what_was_written_is_read_whatever_the_order_of_channels(tmp_path, order, everywhere):
    read = bvh.read_bvh(written(tmp_path, order=order, everywhere=everywhere), 0.01)
    world = captures.turns(WHO.parents, LOCAL)
    assert read.names == WHO.names and read.parents == WHO.parents and read.fps == 120
    assert torch.allclose(read.turns, world, atol=1e-8)
    assert torch.allclose(read.places, captures.places(WHO, world, ROOT), atol=1e-7)
    assert torch.allclose(read.offsets, WHO.offsets, atol=1e-8)


def test_a_unit_scales_places_and_nothing_else(tmp_path):
    path = written(tmp_path)
    small, large = bvh.read_bvh(path, 0.01), bvh.read_bvh(path, 1.0)
    assert torch.allclose(small.places * 100, large.places) and torch.equal(small.turns, large.turns)


def test_channels_of_position_take_the_place_of_the_offset(tmp_path):
    path = written(tmp_path, everywhere=True)
    path.write_text(path.read_text().replace("OFFSET 20.000000 30.000000", "OFFSET 1.0 1.0"))
    assert torch.allclose(bvh.read_bvh(path, 0.01).places[0, 3].norm(), captures.places(WHO, captures.turns(
        WHO.parents, LOCAL), ROOT)[0, 3].norm(), atol=1e-6)  # fmt: skip


@pytest.mark.parametrize(
    "written_as, fps", [(0.0083333, 120), (0.0333333, 30), (0.016667, 60), (0.04, 25), (0.0073, 1 / 0.0073)]
)
def test_a_frame_time_of_few_digits_means_a_whole_rate(written_as, fps):
    assert bvh.rounded_rate(1 / written_as) == pytest.approx(fps, rel=1e-12)


def changed(path: Path, old: str, new: str, count: int = -1) -> Path:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, count))
    return path


@pytest.mark.parametrize(
    "old, new, said",
    [
        ("Frames:\t7", "Frames:\t8", "announces 8 frames of 15 numbers, 120 in all, and holds 105: it"),
        ("MOTION", "MOT", "no MOTION"),
        ("Frames:\t7", "Frames:\t0", "announces 0 frames"),
        ("Frame Time:\t0.008333", "Frame Time:\t0", "frames of 0.0 s"),
        ("Frame Time", "Frame Rate", "no number of frames"),
        ("CHANNELS 3 Zrotation", "CHANNELS 3 Wrotation", "unknown channel"),
        ("CHANNELS 3", "CHANNELS -2", "channels where"),
        ("CHANNELS 3", "CHANNELS 7", "channels where"),
        ("OFFSET 0.000000 20", "OFFSET nan 20", "an OFFSET"),
        ("JOINT Spine", "ROOT Spine\n}\n", "hierarchy"),
        ("JOINT Head", "JOINT Spine", "one name twice"),
        ("ROOT Hips", "ROOT Hips {} ROOT Hips", "a joint of the name"),
        ("HIERARCHY", "HIERARCHY JOINT", "hierarchy"),
    ],
)
def test_a_damaged_file_is_named_with_what_is_wrong(tmp_path, old, new, said):
    path = changed(written(tmp_path), old, new, 1)
    with pytest.raises(ValueError, match=said) as error:
        bvh.read_bvh(path, 0.01)
    assert "clip.bvh" in str(error.value)


def test_a_file_that_ends_in_the_middle_and_one_with_nan_are_refused(tmp_path):
    path = written(tmp_path)
    text = path.read_text()
    for cut in range(0, len(text) - 20, 97):
        path.write_text(text[:cut])
        with pytest.raises(ValueError, match="clip.bvh"):
            bvh.read_bvh(path, 0.01)
    last = text.rstrip().rsplit(" ", 1)
    path.write_text(last[0] + " nan\n")
    with pytest.raises(ValueError, match="frame 6 holds NaN"):
        bvh.read_bvh(path, 0.01)
    path.write_text(last[0] + " x\n")
    with pytest.raises(ValueError, match="none"):
        bvh.read_bvh(path, 0.01)


def test_a_file_too_large_to_be_a_clip_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(mocap, "LARGEST", 100)
    with pytest.raises(ValueError, match="read at most"):
        bvh.read_bvh(written(tmp_path), 0.01)


def test_a_tree_of_very_many_joints_is_refused_and_not_climbed(tmp_path):
    path = tmp_path / "clip.bvh"
    path.write_text("HIERARCHY ROOT a { " + " ".join(f"JOINT j{n} {{" for n in range(100_000)) + " MOTION")
    with pytest.raises(ValueError, match="no place"):
        bvh.read_bvh(path, 0.01)


OTHERS = {
    "byte order mark": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "two bytes a letter": lambda text: text.encode("utf-16"),
    "lower case": lambda text: re.sub(
        r"HIERARCHY|ROOT|JOINT|End Site|OFFSET|CHANNELS|[XYZ](position|rotation)|MOTION|Frames|Frame Time",
        lambda word: word[0].lower(),
        text,
    ).encode(),
    "frames as a float": lambda text: text.replace("Frames:\t7", "Frames:\t7.0").encode(),
    "one frame too many": lambda text: (text.rstrip() + "\n" + text.rstrip().splitlines()[-1]).encode(),
    "decimal commas": lambda text: text.replace(".", ",").encode(),
    "lines of DOS": lambda text: text.replace("\n", "\r\n").encode(),
}


@pytest.mark.parametrize("form", OTHERS)
def test_a_file_as_other_programs_write_it_is_the_same_motion(tmp_path, form):
    path = written(tmp_path)
    plain = bvh.read_bvh(path, 0.01)
    path.write_bytes(OTHERS[form](path.read_text()))
    read = bvh.read_bvh(path, 0.01)
    assert read.names == plain.names and read.fps == plain.fps
    assert torch.equal(read.turns, plain.turns) and torch.equal(read.places, plain.places)


@pytest.mark.parametrize("prefix", ["man:", "Bip01 ", "MOTION_"])
def test_a_joint_is_found_by_its_name_behind_a_prefix_unless_two_are_called_so(tmp_path, prefix):
    path = written(tmp_path)
    plain = bvh.read_bvh(path, 0.01)
    path.write_text(re.sub("(ROOT|JOINT) ", rf"\1 {prefix}", path.read_text()))
    read = bvh.read_bvh(path, 0.01)
    assert [read.find(name) for name in plain.names] == list(range(len(plain.names)))
    with pytest.raises(ValueError, match="no joint 'Head'"):
        bvh.read_bvh(changed(path, f"{prefix}Spine", "other:Head"), 0.01).find("Head")


@pytest.mark.parametrize("name", ["MOTION", "LOCOMOTION", "MOTION_Spine", "motion"])
def test_a_joint_may_be_called_after_the_motion(tmp_path, name):
    path = written(tmp_path)
    plain = bvh.read_bvh(path, 0.01)
    read = bvh.read_bvh(changed(path, "JOINT Spine", f"JOINT {name}"), 0.01)
    assert read.names[1] == name and torch.equal(read.turns, plain.turns)


RATES = {
    30: "0.03333 0.033330 3.333e-02 0.0333 0.033",
    30_000 / 1001: "0.03337 0.0333667 0.0334",
    24: "0.04167 0.04166 0.0417",
    24_000 / 1001: "0.04171 0.0417083",
    60: "0.01667 0.01666 0.0167",
    60_000 / 1001: "0.01668 0.0166833",
    120: "0.00833 .0083333",
    120_000 / 1001: "0.00834",
    240: "0.00417 0.0041667",
    118: "0.0084746",
    10: "0.1",
    1 / 0.07: "0.07",
    1 / 0.0083682: "0.0083682",
}


@pytest.mark.parametrize("fps", RATES)
def test_a_frame_time_means_the_rate_that_it_was_rounded_from(tmp_path, fps):
    text = written(tmp_path).read_text()
    for seconds in RATES[fps].split():
        (tmp_path / "clip.bvh").write_text(re.sub(r"Frame Time:\s*\S+", f"Frame Time: {seconds}", text))
        assert bvh.read_bvh(tmp_path / "clip.bvh", 0.01).fps == pytest.approx(fps, rel=1e-9)


def test_many_joints_without_channels_take_no_more_memory_than_a_take(tmp_path):
    joints = "".join(f"JOINT j{number} {{ OFFSET 0 0 0 CHANNELS 0 }} " for number in range(500))
    hierarchy = f"HIERARCHY ROOT a {{ OFFSET 0 0 0 CHANNELS 1 Xrotation {joints}}}"
    (tmp_path / "clip.bvh").write_text(f"{hierarchy}\nMOTION\nFrames: 100000\nFrame Time: 0.01\n" + "0 " * 100_000)
    with pytest.raises(ValueError, match="100000 frames of 501 joints"):
        bvh.read_bvh(tmp_path / "clip.bvh", 0.01)
