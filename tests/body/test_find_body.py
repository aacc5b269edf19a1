"""The body of a motion is found by its checksum, whatever it is called."""

from dataclasses import replace

import numpy as np
import pytest
from reference import recipe

from vibe.body import find_body, load_body, load_smpl
from vibe.records import Weights


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("VIBE_HOME", str(tmp_path))
    return tmp_path


def test_the_open_body_is_found_and_kept():
    origin = load_body().origin
    found = find_body(replace(origin, name="another name"))
    assert found.origin == origin
    assert find_body(replace(origin, name="another name")) is found


def test_the_user_s_smpl_is_found_once_it_is_there(home, shared, tmp_path_factory):
    file = tmp_path_factory.mktemp("elsewhere") / "smpl.npz"
    np.savez(file, **recipe(shared).body())
    origin = load_body(file).origin
    with pytest.raises(FileNotFoundError, match="vibe assets add"):
        find_body(origin)
    (home / "smpl_female.npz").write_bytes(file.read_bytes())
    assert find_body(origin).origin.sha256 == origin.sha256 == load_body("smpl-female").origin.sha256
    assert load_smpl("female").faces.shape == load_body("smpl-female").faces.shape


def test_a_body_that_is_given_has_to_be_the_one():
    body = load_body(detail="low")
    assert find_body(body.origin, body) is body
    assert find_body(body.origin, "open").origin == body.origin
    with pytest.raises(ValueError, match="made with the body lost .*give the same body"):
        find_body(Weights("lost", "ab" * 32, ""), body)


def test_a_name_that_is_no_body_lists_those_that_are():
    with pytest.raises(FileNotFoundError, match="open, smpl, smpl-male, smpl-female"):
        load_body("smpl-child")
