"""FBX files of Blender's with a motion put in: bones go where they should, whatever axes they have in the file."""

import zlib

import numpy as np
import pytest
from resting_fbx import PROPERTIES, resting_fbx
from scipy.spatial.transform import Rotation

from vibe.export.fbx_file import MAGIC, START, TICKS, BonePath, Element, animated, read_elements

BONES, PARENTS, FPS, FRAMES = ("hips", "twist", "knee"), (-1, 0, 1), 29.97, 40


def keys(curve: Element, name: bytes) -> np.ndarray:
    """The numbers of an array of a curve."""
    told = curve[name].properties
    kind = {b"i": np.int32, b"l": np.int64, b"f": np.float32}[told[:1]]
    return np.frombuffer(zlib.decompress(told[13:]) if told[5] else told[13:], kind)


def posed(content: bytes) -> dict[str, np.ndarray]:
    """The bones' matrices [time, 4, 4], centimetres, by the rules of the format."""
    root, _ = read_elements(content)
    parts = {each.values[0]: each for each in root[b"Objects"].inside}
    links = [each.values for each in root[b"Connections"].inside]
    above = {child: parent for kind, child, parent, *_ in links if kind == b"OO"}
    of_node = {child: (parent, what) for kind, child, parent, *what in links if kind == b"OP" and parent in above}
    curves: dict[tuple, list[np.ndarray]] = {}
    for kind, child, parent, *_ in links:
        if kind == b"OP" and parent in of_node:
            model, (what,) = of_node[parent]
            curves.setdefault((model, what), []).append(keys(parts[child], b"KeyValueFloat"))

    def matrices(number: int) -> np.ndarray:
        if number == 0:
            return np.eye(4)[None].repeat(FRAMES, 0)
        move, turn, size = (
            np.stack(curve, -1)
            if len((curve := curves.get((number, what), [()]))[0]) == FRAMES
            else np.tile(parts[number].settings.get(what, [float(what == PROPERTIES[2])] * 3), (FRAMES, 1))
            for what in PROPERTIES
        )
        local = np.eye(4)[None].repeat(FRAMES, 0)
        local[:, :3, :3] = Rotation.from_euler("xyz", turn, degrees=True).as_matrix() * size[:, None]
        local[:, :3, 3] = move
        return matrices(above[number]) @ local

    return {parts[number].values[1].split(b"\0")[0].decode(): matrices(number) for number in above}


@pytest.fixture(scope="module")
def rest() -> bytes:
    """Three bones of strange axes, drawn in metres in an armature of 100 times the size."""
    random = np.random.default_rng(0)
    steps = np.array([[0.1, 0.2, 0.9], [0.1, -0.2, 0], [0, -0.2, 0.05]])
    return resting_fbx(BONES, PARENTS, steps, random.uniform(-90, 90, (3, 3)), 100.0)


def test_bones_go_where_they_should_whatever_axes_they_have(rest):
    """The bone between goes along with the one above it."""
    random, still = np.random.default_rng(1), {}
    for name, matrices in posed(rest).items():
        still[name] = matrices[0, :3, :3] / np.linalg.norm(matrices[0, :3, :3], axis=0)
    turns = {
        name: Rotation.from_rotvec(np.linspace(0, 1, FRAMES)[:, None] * axis).as_matrix().astype(np.float32)
        for name, axis in (("hips", [0.0, 7.0, 1.0]), ("knee", [3.0, 0.0, 0.5]))
    }
    axes = {name: Rotation.random(random_state=seed).as_matrix() for seed, name in enumerate(turns)}
    places = random.normal(size=(FRAMES, 3)).astype(np.float32)
    paths = {name: BonePath(axes[name], turns[name] @ axes[name], places if name == "hips" else None) for name in turns}
    moved = posed(animated(rest, paths, FPS))
    assert np.abs(moved["hips"][:, :3, 3] - 100 * places).max() < 1e-3
    for name, turn in [*turns.items(), ("twist", turns["hips"])]:
        now = moved[name][:, :3, :3] / np.linalg.norm(moved[name][:, :3, :3], axis=1, keepdims=True)
        assert np.abs(now - turn @ still[name]).max() < 1e-5, name
    assert np.linalg.norm(moved["knee"][:, :3, 3] - moved["hips"][:, :3, 3], axis=1) == pytest.approx(
        np.linalg.norm(posed(rest)["knee"][0, :3, 3] - posed(rest)["hips"][0, :3, 3]), rel=1e-5
    )


def test_a_key_stands_at_the_time_of_each_frame_and_all_else_is_as_it_was(rest):
    path = BonePath(np.eye(3), np.eye(3)[None].repeat(FRAMES, 0))
    made = animated(rest, {"knee": path}, FPS)
    (before, start), (after, end) = read_elements(rest), read_elements(made)
    assert rest[start : start + 16] == made[end : end + 16] and rest[-140:] == made[-140:]
    assert (len(made) - 140) % 16 == 0 and made[:START] == rest[:START]
    changed = [now for was, now in zip(before[b"Objects"].inside, after[b"Objects"].inside, strict=True) if was != now]
    assert len(changed) == 3
    for curve in changed:
        assert np.abs(keys(curve, b"KeyTime") / TICKS - np.arange(FRAMES) / FPS).max() < 1e-9
        assert keys(curve, b"KeyAttrRefCount").tolist() == [FRAMES]


def test_what_is_no_such_file_is_refused(rest):
    path = {"knee": BonePath(np.eye(3), np.eye(3)[None].repeat(FRAMES, 0))}
    for content in (b"; FBX 6.1.0 project file", MAGIC + b"\x4c\x1d\0\0" + rest[START:]):
        with pytest.raises(ValueError, match="no binary FBX file of version 7"):
            animated(content, path, FPS)
    with pytest.raises(ValueError, match="no bone tail"):
        animated(rest, {"tail": path["knee"]}, FPS)
