import zipfile
from pathlib import Path

import captures
import numpy as np
import pytest
import roma
import torch

from vibe import body, cli
from vibe.data.prepare import prepare
from vibe.data.sets.amass import AMASS, AMASS_LIKE
from vibe.data.store import open_store

UP = roma.rotvec_to_rotmat(torch.tensor([torch.pi / 2, 0, 0], dtype=torch.float64))
"""From our world, y up, to theirs, z up."""


def clip(frames: int, fps: float, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    rotmat, path = captures.motion(24, frames, fps, 0.5, seed)
    return rotmat, path


def arrays(rotmat: torch.Tensor, path: torch.Tensor, columns: int) -> dict[str, np.ndarray]:
    """What the files hold of somebody whose pelvis goes along `path`, y up."""
    theirs = torch.cat([(UP @ rotmat[:, 0])[:, None], rotmat[:, 1:]], 1)
    poses = torch.randn(len(rotmat), columns, dtype=torch.float64)
    poses[:, :66] = roma.rotmat_to_rotvec(theirs)[:, :22].flatten(1)
    rest = body.load_body().J_template[0].double()
    return {"poses": poses.numpy(), "trans": (path @ UP.mT - rest).numpy()}


def smpl_h(path: Path, fps: float, frames: int, seed: int = 0, **changes: object) -> Path:
    """As the 2019 release has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    dmpls = np.zeros((frames, 8))
    parts = {"gender": "female", "mocap_framerate": fps, "betas": np.linspace(-1, 1, 16), "dmpls": dmpls}
    np.savez(path, **(parts | arrays(*clip(frames, fps, seed), 156) | changes))
    return path


def smpl_x(path: Path, fps: float, frames: int, seed: int = 0) -> Path:
    """As the releases of stage two have it, with a dict among its arrays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    parts = arrays(*clip(frames, fps, seed), 165)
    poses = parts["poses"]
    np.savez(
        path, gender=np.array(b"neutral"), surface_model_type="smplx", mocap_frame_rate=np.float64(fps),
        mocap_time_length=frames / fps, markers_latent=np.zeros((3, 3)), latent_labels=np.array(["C7", "T8", "CLAV"]),
        markers_latent_vids=np.array({"C7": 3832}, dtype=object), betas=np.ones(16), num_betas=16,
        root_orient=poses[:, :3], pose_body=poses[:, 3:66], pose_hand=poses[:, 75:], **parts,
    )  # fmt: skip
    return path


def raw(folder: Path) -> Path:
    smpl_h(folder / "CMU/01/01_01_poses.npz", 120, 241, 1)
    smpl_h(folder / "CMU/01/01_02_poses.npz", 60, 91, 2)
    smpl_h(folder / "MPI_HDM05/bk/HDM_bk_01-01_01_120_poses.npz", 100, 101, 3)
    smpl_h(folder / "SSM_synced/20160330_03333/chicken_wings_poses.npz", 59.94, 60, 4)
    np.savez(folder / "CMU/01/shape.npz", betas=np.zeros(16))
    return folder


def test_every_clip_is_found_with_its_split_at_thirty_frames_a_second(tmp_path):
    done = prepare("amass", AMASS, raw(tmp_path / "raw"), tmp_path / "out")
    store = open_store(tmp_path / "out")
    found = {sequence.name: sequence for sequence in store.sequences}
    assert done.dropped == {} and len(done.kept) == len(found) == 4
    assert {name: sequence.split for name, sequence in found.items()} == {
        "CMU/01/01_01": "train",
        "CMU/01/01_02": "train",
        "HDM05/bk/HDM_bk_01-01_01_120": "validation",
        "SSM/20160330_03333/chicken_wings": "test",
    }
    assert [found[name].stop - found[name].start for name in found] == [61, 46, 31, 30]
    assert {sequence.subject for sequence in store.sequences} == {"CMU_01", "HDM05_bk", "SSM_20160330_03333"}
    assert {(sequence.fps, sequence.gender) for sequence in store.sequences} == {(30.0, "female")}
    assert "non-commercial" in store.manifest["licence"] and len(store.manifest["sources"]) == 4


def test_a_body_that_stands_in_their_world_stands_in_ours_with_hands_at_rest(tmp_path):
    prepare("amass", AMASS, raw(tmp_path / "raw"), tmp_path / "out")
    store = open_store(tmp_path / "out")
    for sequence, (frames, fps, seed) in zip(store.sequences[:3], ((241, 120, 1), (91, 60, 2), (101, 100, 3))):
        rotmat, path = clip(frames, fps, seed)
        poses = torch.from_numpy(store.column("poses")[sequence.rows].astype(np.float64)).reshape(-1, 24, 3)
        if 120 % fps == 0:
            kept = rotmat[:: fps // 30, :22]
            assert torch.allclose(roma.rotvec_to_rotmat(poses[:, :22]), kept, atol=1e-5)
        assert not poses[:, 22:].any()
        pelvis = store.column("trans")[sequence.rows] + body.load_body().J_template[0].numpy()
        assert np.allclose(pelvis[0], path[0], atol=1e-6) and np.allclose(pelvis[30], path[fps], atol=1e-4)
        assert np.allclose(store.column("betas")[sequence.rows], np.linspace(-1, 1, 16)[:10])


def test_the_smpl_x_release_gives_the_same_motion_and_no_shape(tmp_path):
    smpl_h(tmp_path / "a/CMU/01/01_01_poses.npz", 120, 121)
    smpl_x(tmp_path / "b/CMU/01/01_01_stageii.npz", 120, 121)
    smpl_x(tmp_path / "b/PosePrior/03099/lar1_stageii.npz", 120, 121, 1)
    np.savez(tmp_path / "b/CMU/01/neutral_stagei.npz", betas=np.zeros(16))
    for name in "ab":
        prepare("amass", AMASS, tmp_path / name, tmp_path / f"out_{name}")
    first, second = (open_store(tmp_path / f"out_{name}") for name in "ab")
    rows = second.sequences[0].rows
    assert [sequence.name for sequence in second.sequences] == ["CMU/01/01_01", "PosePrior/03099/lar1"]
    assert np.array_equal(first.column("poses"), second.column("poses")[rows])
    assert np.array_equal(first.column("trans"), second.column("trans")[rows])
    assert not second.column("betas").any() and second.sequences[0].gender == "neutral"


def test_any_folder_of_such_files_is_read_wherever_they_lie(tmp_path):
    smpl_h(tmp_path / "raw/dance.npz", 30, 40)
    smpl_h(tmp_path / "raw/deep/er/run_poses.npz", 50, 51, gender="male")
    np.savez(tmp_path / "raw/deep/smpl.npz", **arrays(*clip(30, 30), 72), mocap_framerate=30)
    prepare("amass-like", AMASS_LIKE, tmp_path / "raw", tmp_path / "out")
    names = {sequence.name: sequence.gender for sequence in open_store(tmp_path / "out").sequences}
    assert names == {"dance": "female", "deep/er/run": "male", "deep/smpl": "neutral"}


def object_poses(path: Path) -> None:
    np.savez(path, poses=np.array([{"a": 1}], dtype=object), trans=np.zeros((1, 3)), mocap_framerate=30)


def cut_off(path: Path) -> None:
    smpl_h(path, 30, 40)
    path.write_bytes(path.read_bytes()[:-3000])


def corrupt(path: Path) -> None:
    smpl_h(path, 30, 40)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    content = bytearray(path.read_bytes())
    content[200:260] = bytes(60)
    path.write_bytes(content)


BAD = {
    "objects": (object_poses, "nothing is unpickled"),
    "cut": (cut_off, "no .npz file"),
    "corrupt": (corrupt, "plain arrays"),
    "nan": (lambda path: smpl_h(path, 30, 3, trans=np.full((3, 3), np.nan)), "NaN"),
    "rate": (lambda path: smpl_h(path, 30, 3, mocap_framerate=0.0), "frames at 0.0 a second"),
    "short": (lambda path: smpl_h(path, 30, 1), "1 frames"),
    "wide": (lambda path: smpl_h(path, 30, 3, poses=np.zeros((3, 99))), "99 numbers a pose"),
    "uneven": (lambda path: smpl_h(path, 30, 3, trans=np.zeros((2, 3))), "trans"),
    "empty": (lambda path: path.write_bytes(b""), "no .npz file"),
    "text": (lambda path: path.write_text("hello"), "no .npz file"),
    "without": (lambda path: np.savez(path, poses=np.zeros((3, 156))), "has no trans"),
}


def test_what_is_wrong_in_a_file_is_said_and_costs_no_other(tmp_path):
    folder = tmp_path / "raw/CMU/01"
    smpl_h(folder / "good_poses.npz", 30, 40)
    for name, (write, _) in BAD.items():
        write(folder / f"{name}_poses.npz")
    done = prepare("amass", AMASS, tmp_path / "raw", tmp_path / "out")
    assert len(done.kept) == 1 and len(done.dropped) == len(BAD)
    for name, (_, said) in BAD.items():
        assert said in done.dropped[f"CMU/01/{name}"], done.dropped[f"CMU/01/{name}"]
        assert name in ("rate", "short") or f"{name}_poses.npz" in done.dropped[f"CMU/01/{name}"]
    with pytest.raises(ValueError, match="kept.*99 numbers"):
        prepare("amass", AMASS, tmp_path / "raw", tmp_path / "strict", strict=True)


def test_a_folder_without_motion_says_what_it_should_hold(tmp_path):
    (tmp_path / "raw").mkdir()
    for raw_set in (AMASS, AMASS_LIKE):
        with pytest.raises(FileNotFoundError, match="npz"):
            prepare("amass", raw_set, tmp_path / "raw", tmp_path / "out")


def object_array(value: object) -> np.ndarray:
    return np.array(value, dtype=object)


def split(path: Path, orient: str = "root_orient", body_pose: str = "pose_body", place: str = "trans") -> Path:
    """A pose in parts, as SMPL-X's tools keep it."""
    parts = dict(np.load(smpl_h(path, 30, 40)))
    poses = parts.pop("poses")
    np.savez(path, **parts | {orient: poses[:, :3], body_pose: poses[:, 3:66], place: parts.pop("trans")})
    return path


def without(path: Path, name: str, **instead: object) -> Path:
    parts = dict(np.load(smpl_h(path, 30, 40)))
    del parts[name]
    np.savez(path, **parts, **instead)
    return path


SHAPE = np.linspace(-1, 1, 16)
FIVE = np.concatenate([SHAPE[:5], np.zeros(5)])
OTHERS = {
    "plain": (lambda path: smpl_h(path, 30, 40), "female", SHAPE[:10], ""),
    "object": (lambda path: smpl_h(path, 30, 40, gender=object_array("male")), "male", SHAPE[:10], ""),
    "no object": (lambda path: smpl_h(path, 30, 40, gender=object_array(None)), "neutral", SHAPE[:10], "gender"),
    "capitals": (lambda path: smpl_h(path, 30, 40, gender="MALE"), "male", SHAPE[:10], ""),
    "letter": (lambda path: smpl_h(path, 30, 40, gender=np.array(b"F")), "female", SHAPE[:10], ""),
    "unknown": (lambda path: smpl_h(path, 30, 40, gender="robot"), "neutral", SHAPE[:10], "'robot'"),
    "no gender": (lambda path: without(path, "gender"), "neutral", SHAPE[:10], "it has no gender: neutral was taken"),
    "five": (lambda path: smpl_h(path, 30, 40, betas=SHAPE[:5]), "female", FIVE, ""),
    "rows": (lambda path: smpl_h(path, 30, 40, betas=np.tile(SHAPE, (40, 1))), "female", SHAPE[:10], ""),
    "objects": (lambda path: smpl_h(path, 30, 40, betas=object_array([{}])), "female", np.zeros(10), "betas"),
    "no betas": (lambda path: without(path, "betas"), "female", np.zeros(10), "betas"),
    "damaged": (lambda path: smpl_h(path, 30, 40, betas=np.full(10, np.nan)), "female", np.zeros(10), "betas"),
    "text": (lambda path: smpl_h(path, 30, 40, mocap_framerate="30.0"), "female", SHAPE[:10], ""),
    "bytes": (lambda path: smpl_h(path, 30, 40, mocap_framerate=np.array([b"30"])), "female", SHAPE[:10], ""),
    "fps": (lambda path: without(path, "mocap_framerate", fps=30), "female", SHAPE[:10], ""),
    "parts": (split, "female", SHAPE[:10], ""),
    "smplx": (lambda path: split(path, "global_orient", "body_pose", "transl"), "female", SHAPE[:10], ""),
}


def test_files_as_other_programs_write_them_are_the_same_motion_and_what_was_taken_is_noted(tmp_path, capsys):
    (tmp_path / "raw").mkdir()
    for name, (write, *_) in OTHERS.items():
        torch.manual_seed(0)
        write(tmp_path / f"raw/{name}.npz")
    assert cli.main(["prepare", "amass-like", str(tmp_path / "raw"), "-o", str(tmp_path / "out")]) == 0
    told = capsys.readouterr().err
    done = prepare("amass-like", AMASS_LIKE, tmp_path / "raw", tmp_path / "out")
    store = open_store(tmp_path / "out")
    found = {sequence.name: sequence for sequence in store.sequences}
    assert found.keys() == OTHERS.keys() and not done.dropped and store.manifest["notes"] == done.notes
    for name, (_, gender, betas, note) in OTHERS.items():
        rows = found[name].rows
        assert found[name].gender == gender and np.allclose(store.column("betas")[rows], betas)
        assert np.array_equal(store.column("poses")[rows], store.column("poses")[found["plain"].rows])
        assert np.allclose(store.column("trans")[rows], store.column("trans")[found["plain"].rows], atol=1e-6)
        assert note in done.notes.get(name, "") and (name in done.notes) == bool(note)
        assert (f"note on {name}: " in told) == bool(note)
