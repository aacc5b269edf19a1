"""Markers: on the skin, at their anatomical places, the same for every shape, and moved as the skin is."""

from dataclasses import replace

import numpy as np
import pytest

from vibe.arrays import as_numpy
from vibe.body import load_body
from vibe.body.placed import vertices_cam
from vibe.body.skin_points import MARKERS, marker_places, marker_vertices
from vibe.records import SmplParams
from vibe.rotations import rotmat_from_rotvec
from vibe.skeletons import SMPL


@pytest.fixture(scope="module")
def body():
    return as_numpy(load_body())


@pytest.fixture(scope="module")
def rest(body):
    return dict(zip(MARKERS, body.v_template[marker_vertices(body)])) | dict(zip(SMPL, body.J_template))


def test_markers_are_where_anatomy_has_them(rest):
    x, y, z = 0, 1, 2
    for side, out in (("left", 1), ("right", -1)):
        at = {name.removeprefix(f"{side}_"): place for name, place in rest.items()}
        for joint in ("knee", "ankle"):
            assert out * at[f"{joint}_lateral"][x] > out * at[joint][x] > out * at[f"{joint}_medial"][x]
            middle = (at[f"{joint}_lateral"] + at[f"{joint}_medial"]) / 2
            assert np.linalg.norm(middle - at[joint]) < 0.015
        assert at["asis"][z] > at["hip"][z] + 0.04 and at["asis"][y] > at["hip"][y] + 0.05
        assert at["psis"][z] < at["hip"][z] - 0.04 and at["heel"][z] < at["ankle"][z] - 0.03 < at["toe"][z]
        assert at["acromion"][y] > at["shoulder"][y] and at["elbow_lateral"][y] > at["elbow_medial"][y]
        assert at["wrist_radial"][z] > at["wrist_ulnar"][z]
    assert rest["c7"][z] < rest["neck"][z] < rest["clavicles"][z] and rest["sternum"][z] > rest["t10"][z] + 0.1


def test_sides_mirror_each_other(rest):
    for name in MARKERS:
        if name.startswith("left_"):
            assert np.abs(rest[name] * [-1, 1, 1] - rest[name.replace("left", "right")]).max() < 1e-3


@pytest.mark.parametrize("detail", ["full", "low"])
def test_markers_are_vertices_of_the_moved_surface(detail):
    body = as_numpy(load_body(detail=detail))
    random = np.random.RandomState(1)
    smpl = SmplParams(
        rotmat_from_rotvec(0.4 * random.standard_normal((3, 24, 3))).astype(np.float32),
        random.standard_normal(10).astype(np.float32),
        random.standard_normal((3, 3)).astype(np.float32),
    )
    surface = vertices_cam(smpl, body)
    assert np.abs(marker_places(body, smpl) - surface[:, marker_vertices(body)]).max() < 1e-5
    shifted = replace(smpl, pelvis=smpl.pelvis + np.float32(1))
    assert np.abs(marker_places(body, shifted) - marker_places(body, smpl) - 1).max() < 1e-5
