"""OBJ and PLY: a published reader finds the surface of each frame."""

import numpy as np
import performers
import pytest
import torch

from vibe.assets.paths import whole_folder
from vibe.body.hands import relaxed
from vibe.body.outfit import dressed, vertex_colours
from vibe.body.placed import vertices_cam
from vibe.export.export import write_meshes
from vibe.motion.scene import SceneOptions, build_scene


@pytest.fixture(scope="module")
def scene(body):
    return build_scene(performers.show(body, performers.performer(body, torch.arange(4, 9))), body, SceneOptions("z"))


def written(kind, scene, body, folder):
    said = []
    write_meshes(folder / "frames", scene, scene.characters[0], body, kind, lambda *given: said.append(given))
    assert said == [("person 1", 5, 5)]
    return sorted((folder / "frames").iterdir())


@pytest.mark.parametrize("kind", ["obj", "ply"])
def test_trimesh_reads_every_frame(kind, body, scene, tmp_path):
    trimesh = pytest.importorskip("trimesh")
    files = written(kind, scene, body, tmp_path)
    (character,) = scene.characters
    truth = vertices_cam(character.smpl, relaxed(dressed(body)))
    colours = np.rint(255 * vertex_colours(body, 1))
    assert [file.name for file in files] == [f"00000{frame}.{kind}" for frame in range(5)]
    for file, surface in zip(files, truth, strict=True):
        mesh = trimesh.load(file, process=False, maintain_order=True)
        assert np.abs(mesh.vertices - surface).max() < 1e-5
        assert np.array_equal(mesh.faces, body.faces)
        assert np.abs(mesh.visual.vertex_colors[:, :3].astype(float) - colours).max() <= 1


@pytest.mark.parametrize("kind", ["obj", "ply"])
def test_units_and_axes_are_in_a_comment(kind, body, scene, tmp_path):
    head = written(kind, scene, body, tmp_path)[0].read_bytes()[:200]
    assert b"metres, right-handed, z up" in head


def test_a_folder_is_there_whole_or_not_at_all(tmp_path):
    def fail(folder):
        with whole_folder(folder) as partial:
            (partial / "a").write_text("new")
            raise OSError("the disk is full")

    for present in (False, True):
        if present:
            (tmp_path / "x").mkdir()
            (tmp_path / "x" / "a").write_text("old")
        with pytest.raises(OSError, match="full"):
            fail(tmp_path / "x")
        assert [path.name for path in tmp_path.rglob("*")] == (["x", "a"] if present else [])
    with whole_folder(tmp_path / "x") as partial:
        (partial / "a").write_text("new")
        (partial / "b").write_text("new")
    assert {path.name: path.read_text() for path in (tmp_path / "x").iterdir()} == {"a": "new", "b": "new"}
