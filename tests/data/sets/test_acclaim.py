import re
from pathlib import Path

import captures
import pytest
import torch

from vibe.data.sets import cmu

WHO = captures.person(
    [
        ("root", "", (0, 0, 0)),
        ("lhipjoint", "root", (0, 0, 0)),
        ("lfemur", "lhipjoint", (0.1, -0.1, 0.03)),
        ("ltibia", "lfemur", (0.14, -0.38, 0)),
        ("lfoot", "ltibia", (0.15, -0.42, 0)),
        ("lowerback", "root", (0, 0, 0)),
        ("head", "lowerback", (0, 0.6, 0.02)),
    ]
)
DOF = {"root": "rx ry rz", "lfemur": "rx ry rz", "ltibia": "rx", "lfoot": "rx rz", "lowerback": "rx ry rz"}
AXES = torch.tensor([[0, 0, 0], [0, 0, 0], [10, 5, 20], [0, 0, 20], [-90, 7, 20], [3, -80, 12], [0, 0, 0]]).double()


def motion(frames: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    """About the axes that each bone may turn about, and no others."""
    free, root = captures.motion(len(WHO.names), frames, 120)
    own = captures.roma.euler_to_rotmat("xyz", AXES, degrees=True)
    angles = captures.roma.rotmat_to_euler("xyz", free)
    for index, name in enumerate(WHO.names):
        angles[:, index] *= torch.tensor([axis in DOF.get(name, "") for axis in ("rx", "ry", "rz")]).double()
    return own @ captures.roma.euler_to_rotmat("xyz", angles) @ own.mT, root


def written(folder: Path, length: float = 0.45) -> tuple[Path, Path]:
    local, root = motion()
    asf = captures.write_asf(folder / "07.asf", WHO, DOF, AXES, length)
    return asf, captures.write_amc(folder / "07_01.amc", WHO, DOF, AXES, local, root, length)


@pytest.mark.parametrize("length", [0.45, 1.0])
def test_a_motion_comes_back_with_the_axes_and_freedoms_of_its_bones_in_metres(tmp_path, length):
    asf, amc = written(tmp_path, length)
    read = cmu.read_amc(amc, cmu.read_asf(asf), 120.0)
    local, root = motion()
    world = captures.turns(WHO.parents, local)
    order = [WHO.names.index(name) for name in read.names]
    assert sorted(order) == list(range(len(WHO.names))) and order[0] == 0
    assert torch.allclose(read.turns, world[:, order], atol=1e-7)
    assert torch.allclose(read.places, captures.places(WHO, world, root)[:, order], atol=1e-7)
    assert [read.names[at] if at >= 0 else "" for at in read.parents] == [
        WHO.names[WHO.parents[at]] if WHO.parents[at] >= 0 else "" for at in order
    ]


def test_a_unit_of_length_is_an_inch_over_its_scale(tmp_path):
    asf, _ = written(tmp_path)
    assert cmu.read_asf(asf).unit == pytest.approx(0.0254 / 0.45)


def test_the_roots_numbers_may_come_in_another_order(tmp_path):
    asf, amc = written(tmp_path)
    plain = cmu.read_amc(amc, cmu.read_asf(asf), 120.0)
    asf.write_text(asf.read_text().replace("order TX TY TZ RX RY RZ", "order RX RY RZ TX TY TZ"))
    lines = [line.split() for line in amc.read_text().splitlines()]
    amc.write_text(
        "\n".join(" ".join([w[0], *w[4:], *w[1:4]] if w[0] == "root" else w) for w in lines)
    )  # fmt: skip
    other = cmu.read_amc(amc, cmu.read_asf(asf), 120.0)
    assert torch.allclose(plain.places, other.places) and torch.allclose(plain.turns, other.turns)


def test_angles_in_radians_are_read_as_such_and_never_mixed_with_degrees(tmp_path):
    asf, amc = written(tmp_path)
    skeleton = cmu.read_asf(asf)
    amc.write_text(amc.read_text().replace(":DEGREES", ":RADIANS"))
    with pytest.raises(ValueError, match="another unit"):
        cmu.read_amc(amc, skeleton, 120.0)


@pytest.mark.parametrize(
    "old, new, said",
    [
        (":hierarchy", ":nothing", "hierarchy"),
        ("direction 0", "direction nan 0", "instead of 3 numbers"),
        ("dof rx ry rz", "dof rx tz", "moves by"),
        ("dof rx ry rz", "dof rx rx rz", "moves by"),
        ("order TX TY TZ RX RY RZ", "order TX TY TZ RX RY RZ RZ", "three positions"),
        ("   XYZ", "   XXZ", "axes 'XXZ'"),
        ("name head", "name ltibia", "stands twice"),
        ("root lhipjoint lowerback", "root lhipjoint", "hang on nothing"),
        ("root lhipjoint lowerback", "root lhipjoint lowerback spare", "spare"),
        ("length 0.45", "length 0", "division"),
        (":units", ":unit", "units"),
        ("position 0 0 0", "position 1 0 0", "not at the origin"),
    ],
)
def test_a_damaged_skeleton_is_named(tmp_path, old, new, said):
    asf, _ = written(tmp_path)
    assert old in asf.read_text()
    asf.write_text(asf.read_text().replace(old, new, 1))
    with pytest.raises(ValueError, match=said) as error:
        cmu.read_asf(asf)
    assert "07.asf" in str(error.value)


@pytest.mark.parametrize(
    "pattern, new, said",
    [
        ("ltibia", "lknee", "does not"),
        ("lfemur ", "lfemur 1 ", "4 numbers for lfemur instead of 3"),
        ("lfemur ", "lfemur nan#", "in frame 0"),
        ("ltibia ", "ltibia nan\nltibia ", None),
    ],
)
def test_a_damaged_motion_is_named_with_its_frame(tmp_path, pattern, new, said):
    asf, amc = written(tmp_path)
    amc.write_text(amc.read_text().replace(pattern, new, 1))
    if said is None:
        text = amc.read_text().splitlines()
        at = text.index("ltibia nan")
        amc.write_text("\n".join([*text[: at + 1], *text[at + 2 :]]))
        said = "frame 0 holds NaN"
    with pytest.raises(ValueError, match=said) as error:
        cmu.read_amc(amc, cmu.read_asf(asf), 120.0)
    assert "07_01.amc" in str(error.value)


def test_a_motion_that_ends_in_the_middle_is_refused(tmp_path):
    asf, amc = written(tmp_path)
    text = amc.read_text()
    for cut in (30, len(text) // 2, len(text) - len(text.splitlines()[-1]) - 1):
        amc.write_text(text[:cut])
        with pytest.raises(ValueError, match="07_01.amc"):
            cmu.read_amc(amc, cmu.read_asf(asf), 120.0)


OTHERS = {
    "byte order mark": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "capitals": lambda text: re.sub(r"\b(xyz|[A-Za-z]{2,})\b", lambda word: word[0].upper(), text).encode(),
    "frames as floats": lambda text: re.sub(r"^(\d+)$", r"\1.0", text, flags=re.MULTILINE).encode(),
    "lines of DOS": lambda text: text.replace("\n", "\r\n").encode(),
    "degrees in full": lambda text: text.replace("angle deg", "angle degrees").encode(),
}


@pytest.mark.parametrize("form", OTHERS)
def test_files_as_other_programs_write_them_are_the_same_motion(tmp_path, form):
    paths = written(tmp_path)
    plain = cmu.read_amc(paths[1], cmu.read_asf(paths[0]), 120.0)
    for path in paths:
        path.write_bytes(OTHERS[form](path.read_text()))
    read = cmu.read_amc(paths[1], cmu.read_asf(paths[0]), 120.0)
    assert read.names == plain.names and torch.equal(read.turns, plain.turns) and torch.equal(read.places, plain.places)
