"""`vibe export`: a file where it was asked for, with the body that the motion was made with, or none."""

import io
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import performers
import pytest
import torch
from reference import recipe

from vibe import cli
from vibe.arrays import as_numpy
from vibe.body import load_body, load_smpl
from vibe.cameras import default_camera
from vibe.export.formats import FORMATS
from vibe.motion import Motion, Result
from vibe.records import Clip, SmplParams, Weights
from vibe.rotations import rotmat_from_rotvec


def run(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


@pytest.fixture(autouse=True)
def home(tmp_path_factory, monkeypatch) -> Path:
    """A folder of the user's with nothing in it."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("VIBE_HOME", str(folder))
    return folder


@pytest.fixture
def write_motion(tmp_path):
    """Writes the motion of somebody who was seen in five frames, made with a body."""

    def write(body: Weights) -> Path:
        random = np.random.default_rng(0)
        box_px, pred_cam, pelvis = (random.random((5, width), np.float32) + 0.5 for width in (4, 3, 3))
        smpl = SmplParams(rotmat_from_rotvec(random.random((5, 24, 3), np.float32)), np.zeros(10, np.float32), pelvis)
        shaped = {"box_px": box_px, "pred_cam": pred_cam, "transl": pelvis}
        points = {"joints_cam": np.zeros((5, 24, 3), np.float32), "joints_px": np.zeros((5, 24, 2), np.float32)}
        evidence = {"keypoints_px": random.random((5, 17, 3), np.float32), "confidence": np.ones(5, np.float32)}
        times = np.arange(5) / 25
        person = Motion(np.arange(5), times, smpl=smpl, body=body, **shaped, **points, **evidence)
        clip = Clip(Path("clip.mp4"), 25.0, 64, 48, times, 0)
        result = Result(clip, as_numpy(default_camera(64, 48)), (person,), body, Weights("open", "0" * 64, ""), ())
        result.save(tmp_path / "motion.npz")
        return tmp_path / "motion.npz"

    return write


def vertices(path: Path) -> int:
    (person,) = pickle.loads(path.read_bytes()).values()
    return person["verts"].shape[1]


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_the_file_lies_beside_the_motion_or_where_it_was_asked_for(write_motion, tmp_path, capsys):
    motion = write_motion(load_body().origin)
    assert run("export", motion, "--to", "legacy") == 0
    assert capsys.readouterr().out == f"{tmp_path / 'vibe_output.pkl'}\n"
    assert vertices(tmp_path / "vibe_output.pkl") == len(load_body().v_template)
    for place in ("new/x.pkl", "new"):
        assert run("export", motion, "--to", "legacy", "-o", tmp_path / place) == 0
    assert files(tmp_path) == ["motion.npz", "new/vibe_output.pkl", "new/x.pkl", "vibe_output.pkl"]
    assert len({path.read_bytes() for path in tmp_path.rglob("*.pkl")}) == 1


@pytest.mark.parametrize("format", ["legacy", "bvh", "csv"])
def test_a_place_that_ends_in_a_slash_is_a_folder_that_is_made(write_motion, tmp_path, format):
    motion = write_motion(load_body().origin)
    for place in ("new/", "new/deep.er/"):
        assert run("export", motion, "--to", format, "-o", f"{tmp_path}/{place}") == 0
        assert (tmp_path / place / FORMATS[format].file).is_file()
    assert run("export", motion, "--to", format, "--start", "9", "-o", f"{tmp_path}/gone/")
    assert not (tmp_path / "gone").exists()


def test_the_user_s_smpl_is_found_by_the_file(write_motion, home, shared, tmp_path):
    np.savez(home / "smpl_neutral.npz", **recipe(shared).body(), name="SMPL neutral", licence="its own")
    assert run("export", write_motion(load_smpl().origin), "--to", "legacy") == 0
    assert vertices(tmp_path / "vibe_output.pkl") == 6890


def test_a_body_file_of_one_s_own_is_named(write_motion, shared, tmp_path, capsys):
    mine = tmp_path / "mine.npz"
    np.savez(mine, **recipe(shared).body())
    motion = write_motion(load_body(mine).origin)
    assert run("export", motion, "--to", "legacy") == 1
    assert "--body" in capsys.readouterr().err
    assert run("export", motion, "--to", "legacy", "--body", mine) == 0
    assert vertices(tmp_path / "vibe_output.pkl") == 6890


def test_a_body_that_is_not_here_is_one_line_and_no_file(write_motion, tmp_path, capsys):
    motion = write_motion(Weights("SMPL neutral", "ab" * 32, ""))
    assert run("export", motion, "--to", "legacy", "-o", tmp_path / "new" / "x.pkl") == 1
    said = capsys.readouterr()
    (line,) = [line for line in said.err.splitlines() if line.startswith("vibe: ")]
    assert "SMPL neutral" in line
    assert "vibe assets add" in line
    assert said.out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["motion.npz"]


def test_another_body_than_the_motion_s_is_refused(write_motion, shared, tmp_path, capsys):
    np.savez(tmp_path / "mine.npz", **recipe(shared).body())
    assert run("export", write_motion(load_body().origin), "--to", "legacy", "--body", tmp_path / "mine.npz") == 1
    assert "open-body" in capsys.readouterr().err
    assert files(tmp_path) == ["mine.npz", "motion.npz"]


@pytest.mark.parametrize("content", [None, b"", b"this is no motion" * 99], ids=["missing", "empty", "text"])
def test_what_is_no_motion_file_is_one_line_and_no_file(content, tmp_path, capsys):
    path = tmp_path / "motion.npz"
    if content is not None:
        path.write_bytes(content)
    assert run("export", path, "--to", "legacy", "-o", tmp_path / "new" / "x.pkl") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert str(path) in line
    assert not (tmp_path / "new").exists()


def test_an_export_does_not_replace_its_motion(write_motion, tmp_path, capsys):
    motion = write_motion(load_body().origin)
    content = motion.read_bytes()
    assert run("export", motion, "--to", "legacy", "-o", motion) == 2
    assert "overwritten" in capsys.readouterr().err
    assert motion.read_bytes() == content
    assert files(tmp_path) == ["motion.npz"]


@pytest.fixture(scope="module")
def open_body():
    return load_body()


@pytest.fixture
def write_people(tmp_path, open_body):
    """Writes the motion of some people who turn, bend and jump."""

    def write(count: int) -> Path:
        body = open_body
        people = [performers.performer(body, torch.arange(5 * seed, 30), seed) for seed in range(count)]
        performers.show(body, *people).save(tmp_path / "motion.npz")
        return tmp_path / "motion.npz"

    return write


ONE = {
    "bvh": "motion.bvh", "glb": "motion.glb", "amass": "motion_amass.npz", "csv": "joints.csv", "trc": "joints.trc",
    "mot": "motion.mot", "c3d": "markers.c3d", "vrma": "motion.vrma", "smplx-json": "smplx.json", "usd": "motion.usdc",
}  # fmt: skip


@pytest.mark.parametrize(("form", "file"), ONE.items())
def test_one_person_is_one_file(form, file, write_people, tmp_path, capsys):
    motion = write_people(1)
    assert run("export", motion, "--to", form) == 0
    assert capsys.readouterr().out == f"{tmp_path / file}\n"
    other = f"other{Path(file).suffix}"
    assert run("export", motion, "--to", form, "-o", tmp_path / other) == 0
    assert files(tmp_path) == sorted(["motion.npz", file, other])


@pytest.mark.parametrize(
    ("form", "names"),
    [
        ("bvh", ["person1.bvh", "person2.bvh"]),
        ("amass", ["person1.npz", "person2.npz"]),
        ("trc", ["person1.trc", "person2.trc"]),
        ("smplx-json", ["person1.json", "person2.json"]),
        ("obj", [f"person{person}/{frame:06d}.obj" for person, first in ((1, 26), (2, 26)) for frame in (0, 1, 2)]),
    ],
)
def test_two_people_are_a_folder_of_files_and_one_can_be_chosen(form, names, write_people, tmp_path, capsys):
    motion = write_people(2)
    trimmed = ["--start", 1.08, "--end", 1.16] if form == "obj" else []
    assert run("export", motion, "--to", form, "-o", tmp_path / "new" / "deep", *trimmed) == 0
    assert files(tmp_path / "new" / "deep") == names
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 2
    assert ("person 2 begins 5 frames" in said.err) == (form != "obj")
    if form != "obj":
        assert run("export", motion, "--to", form, "--person", 2, "-o", tmp_path / "two.x") == 0
        assert (tmp_path / "two.x").is_file()


def test_the_options_reach_the_file(write_people, tmp_path, capsys):
    motion = write_people(1)
    out = tmp_path / "x.csv"
    options = "--up z --facing -y --root in-place --ground --fps 50 --start 0.2 --end 0.4".split()
    assert run("export", motion, "--to", "csv", "-o", out, *options) == 0
    table = [line.split(",") for line in out.read_text().splitlines()]
    assert table[0][4:7] == ["pelvis_x_m", "pelvis_y_m", "pelvis_z_up_m"]
    assert len(table) == 12
    assert [float(row[4]) for row in table[1:]] == [0.0] * 11
    assert "the picture's up is kept" in capsys.readouterr().err
    for unit, times in (("m", 1), ("cm", 100)):
        assert run("export", motion, "--to", "bvh", "-o", tmp_path / f"{unit}.bvh", "--unit", unit) == 0
        offset = (tmp_path / f"{unit}.bvh").read_text().split("JOINT left_hip")[1].split("OFFSET")[1].split()[0]
        assert 0.05 * times < float(offset) < 0.25 * times


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--to", "bvh", "--person", 7], 1, "it has 1, 2"),
        (["--to", "bvh", "-o", "all.bvh"], 2, "give a folder, or one person"),
        (["--to", "csv", "--unit", "m"], 2, "a unit is for bvh"),
        (["--to", "legacy", "--person", 1], 2, "everybody"),
        (["--to", "legacy", "--ground"], 2, "everybody"),
        (["--to", "glb", "--up", "z"], 1, "--up"),
        (["--to", "fbx", "--up", "z", "--person", 1], 1, "--up"),
        (["--to", "fbx", "--person", 1, "--blender", "nowhere"], 1, "nowhere is no program"),
        (["--to", "glb", "--blender", "blender"], 2, "Blender is asked for fbx alone"),
        (["--to", "usd", "-o", "x.abc"], 1, ".usda"),
        (["--to", "csv", "--start", 99], 1, "nobody is in view from 99 s"),
        (["--to", "csv", "--fps", -1], 1, "--fps"),
        (["--to", "nothing"], 2, "no format is called nothing"),
        ([], 2, "no format is given with --to"),
        (["--onto", "nowhere.glb"], 1, "nowhere.glb"),
        (["--onto", "nowhere.fbx", "--person", 1], 1, "nowhere.fbx"),
        (["--to", "csv", "-o", "motion.npz"], 2, "overwritten"),
        (["--to", "csv", "-o", "motion.npz/x.csv"], 1, ""),
        (["--to", "ply", "-o", "."], 2, "not empty"),
    ],
)
def test_what_can_t_be_is_one_line_and_no_file(options, code, words, write_people, tmp_path, monkeypatch, capsys):
    motion = write_people(2)
    content = motion.read_bytes()
    monkeypatch.chdir(tmp_path)
    assert run("export", motion, *options) == code
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("vibe: ")]
    assert len(lines) == 1 and words in lines[0]
    assert files(tmp_path) == ["motion.npz"] and motion.read_bytes() == content


@pytest.mark.parametrize("form", FORMATS)
def test_bad_input_is_one_line_and_nothing_is_left(form, write_people, tmp_path, capsys):
    motion = write_people(2)
    whole = motion.read_bytes()
    with np.load(motion) as file:
        arrays = dict(file)

    def changed(**some: np.ndarray) -> bytes:
        content = io.BytesIO()
        np.savez(content, **(arrays | some))
        return content.getvalue()

    pelvis = arrays["1/pelvis"].copy()
    pelvis[3] = np.nan
    place = ["-o", tmp_path / "new" / "deep" / FORMATS[form].file]
    everybody = "everybody" if form == "legacy" else "it has 1, 2"
    for content, options, words in (
        (whole[: len(whole) // 2], place, "damaged"),
        (changed(**{"1/pelvis": pelvis}), place, "its checksum differs"),
        (changed(format=np.array("vibe-motion 9")), place, "vibe-motion 9"),
        (whole, [*place, "--person", 3], everybody),
        (whole, ["-o", motion / "deep" / FORMATS[form].file], ""),
    ):
        motion.write_bytes(content)
        assert run("export", motion, "--to", form, *options) in (1, 2)
        said = capsys.readouterr()
        (line,) = [line for line in said.err.splitlines() if line.startswith("vibe: ")]
        assert words in line and said.out == ""
        assert [path.name for path in tmp_path.iterdir()] == ["motion.npz"] and motion.read_bytes() == content


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files")
@pytest.mark.parametrize(
    ("form", "name"), [("bvh", "x"), ("glb", "x.glb"), ("ply", "x"), ("usd", "x.usdc"), ("usd", "x.usdz")]
)
def test_a_full_disk_leaves_nothing(form, name, write_people, tmp_path, capsys):
    import resource

    motion = write_people(2)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        assert run("export", motion, "--to", form, "-o", tmp_path / name) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("vibe: ")]
    assert "too large" in line
    assert files(tmp_path) == ["motion.npz"] and not (tmp_path / name).exists()


LIGHT = ("bvh", "csv", "trc", "mot", "c3d", "vrma", "amass", "smplx-json", "legacy")
HEAVY = "torch", "roma", "numba", "cv2", "av", "pandas"


@pytest.mark.parametrize("form", LIGHT)
def test_the_forms_without_a_surface_load_nothing_heavy(form, write_people, tmp_path):
    command = ["export", str(write_people(1)), "--to", form, "-o", str(tmp_path / "out")]
    program = f"import sys\nfrom vibe import cli\ncode = cli.main({command!r})\nprint(code, *sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    code, *loaded = done.stdout.splitlines()[-1].split()
    assert code == "0" and set(HEAVY) & set(loaded) == set()
    assert (tmp_path / "out").is_file()
