"""How people are drawn: clothed, each as somebody else, on joints that are where they were."""

import numpy as np
import pytest

from vibe.arrays import as_numpy
from vibe.body import load_body
from vibe.body.mesh import vertex_normals
from vibe.body.outfit import COLOURS, SKIN, dressed, vertex_colours
from vibe.body.pose import rest_joints, rest_vertices
from vibe.skeletons import SMPL

DETAILS = ("full", "low")


@pytest.fixture(scope="module")
def bodies():
    return {detail: as_numpy(load_body(detail=detail)) for detail in DETAILS}


def share_of(colours, colour, tolerance=0.02):
    return np.abs(colours - np.array(colour)).max(1) < tolerance


@pytest.mark.parametrize("detail", DETAILS)
def test_the_suit_changes_no_joint_and_stays_within_some_centimetres_of_the_body(bodies, detail):
    body, worn = bodies[detail], dressed(bodies[detail])
    for betas in (np.zeros(10, np.float32), np.float32([0, -2, 2, 0, 0, 1, 0, 0, 0, 0])):
        assert (rest_joints(worn, betas) == rest_joints(body, betas)).all()
        away = np.linalg.norm(rest_vertices(worn, betas) - rest_vertices(body, betas), axis=1)
        assert np.median(away) < 0.008 and away.max() < 0.08


@pytest.mark.parametrize("detail", DETAILS)
def test_the_chest_and_the_seat_are_smooth(bodies, detail):
    """Neighbouring faces of the cloth lie nearly in one plane, where the bare body has peaks and clefts."""
    body, worn = bodies[detail], dressed(bodies[detail])
    x, y, z = body.v_template.T
    front = (np.abs(x) < 0.14) & (np.abs(y - 0.08) < 0.08) & (z > 0.05)
    back = (np.abs(x) < 0.06) & (np.abs(y + 0.28) < 0.06) & (z < 0.0)

    def bend(mesh, where):
        faces = mesh.faces[where[mesh.faces].all(1)]
        normals = vertex_normals(np.ascontiguousarray(mesh.v_template), mesh.faces)
        pairs = (normals[faces] * normals[np.roll(faces, 1, 1)]).sum(-1)
        return np.degrees(np.arccos(pairs.clip(-1, 1)))

    for where in (front, back):
        assert bend(worn, where).max() < 0.7 * bend(body, where).max()


@pytest.mark.parametrize("detail", DETAILS)
def test_torso_and_hips_are_covered_and_hands_and_face_are_bare(bodies, detail):
    body = bodies[detail]
    colours = vertex_colours(body, 1)
    carried = body.weights.argmax(1)
    for name in ("spine1", "spine2", "left_hip", "right_knee", "pelvis"):
        assert not share_of(colours[carried == SMPL.index(name)], SKIN[0]).any(), name
    for name in ("left_hand", "right_wrist"):
        assert share_of(colours[carried == SMPL.index(name)], SKIN[0]).all(), name
    face = (carried == SMPL.index("head")) & (body.v_template[:, 2] > 0.12)
    assert 0.4 < share_of(colours[face], SKIN[0]).mean() < 1, "skin, brows, eyes and lips"


def test_everybody_is_somebody_else(bodies):
    body = bodies["low"]
    people = [vertex_colours(body, number) for number in range(1, len(COLOURS) + 2)]
    for one in range(len(people)):
        for other in range(one):
            assert np.abs(people[one] - people[other]).max() > 0.05
    for number, colours in enumerate(people):
        assert share_of(colours, COLOURS[number % len(COLOURS)]).sum() > 200, "the shirt is of the person's colour"


def test_a_body_of_one_s_own_is_drawn_as_it_is_in_one_colour(bodies):
    from dataclasses import replace

    body = bodies["low"]
    own = replace(body, origin=replace(body.origin, sha256="0" * 64))
    assert dressed(own) is own or (dressed(own).v_template == own.v_template).all()
    assert (vertex_colours(own, 2) == np.float32(COLOURS[1])).all()
