import pickle
import shutil
import time

import numpy as np
import official_files
import pytest
import torch
from official_files import add
from reference import recipe, state

from vibe import assets, convert

GIVEN = {
    "SMPL_NEUTRAL.pkl": "smpl_neutral.npz",
    "SMPL_MALE.pkl": "smpl_male.npz",
    "SMPL_FEMALE.npz": "smpl_female.npz",
    "smpl_mean_params.npz": "smpl_mean_params.npz",
    "J_regressor_extra.npy": "j_regressor_extra.npz",
    "J_regressor_h36m.npy": "j_regressor_h36m.npz",
    "gmm_08.pkl": "pose_mixture.npz",
    "spin_model_checkpoint.pth.tar": "official-frame.safetensors",
    "vibe_model_wo_3dpw.pth.tar": "official.safetensors",
    "vibe_model_w_3dpw.pth.tar": "official-3dpw.safetensors",
}


@pytest.fixture(scope="module")
def given(shared, tmp_path_factory):
    """Synthetic files in the official layouts; half a gigabyte, so they do not stay."""
    folder = tmp_path_factory.mktemp("given")
    yield official_files.write_all(shared, folder)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def home(given, tmp_path_factory):
    """The library once all of them were added."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIBE_HOME", str(folder))
        start = time.process_time()
        answers = convert.add(given.values())
        assert time.process_time() - start < 20
    assert [str(answer) for answer in answers if isinstance(answer, convert.Refused)] == []
    assert {answer.source.name: answer.path.name for answer in answers} == GIVEN
    assert {path.name for path in folder.iterdir()} == set(GIVEN.values())
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize(("gender", "shapes"), [("neutral", 10), ("male", 300), ("female", 10)])
def test_a_body_is_converted_to_the_bit(gender, shapes, home, shared):
    wanted = official_files.body(recipe(shared), shapes)
    with np.load(home / f"smpl_{gender}.npz", allow_pickle=False) as file:
        assert set(file.files) == {*wanted, "name", "licence"}
        for name, array in wanted.items():
            np.testing.assert_array_equal(file[name], array)
        assert file["name"] == f"SMPL {gender}"
        assert "non-commercial" in str(file["licence"])


def test_the_smaller_files_are_converted_to_the_bit(home, shared):
    make = recipe(shared)
    wanted = {
        "smpl_mean_params.npz": make.mean_params(),
        "pose_mixture.npz": official_files.mixture(make),
        "j_regressor_extra.npz": {"regressor": make.joint_regressor("J_regressor_extra", 9)},
        "j_regressor_h36m.npz": {"regressor": make.joint_regressor("J_regressor_h36m", 17)},
    }
    for name, arrays in wanted.items():
        with np.load(home / name, allow_pickle=False) as file:
            assert set(file.files) == {*arrays, "name", "licence"}
            for key, array in arrays.items():
                np.testing.assert_array_equal(file[key], array)


@pytest.mark.parametrize(
    ("name", "model"), [("official", "vibe.official"), ("official-3dpw", "vibe.official"), ("official-frame", "hmr")]
)
def test_a_network_is_converted_to_the_bit_and_without_the_body(name, model, home, shared):
    tensors, about = assets.load_weights(home / f"{name}.safetensors")
    wanted = state(shared, model)
    assert tensors.keys() == wanted.keys()
    assert all(torch.equal(tensors[key], wanted[key]) for key in wanted)
    assert about.name == name and ("non-commercial" in about.licence)


def test_the_catalogue_knows_what_is_here(home, monkeypatch):
    monkeypatch.setenv("VIBE_HOME", str(home))
    here = {entry.name: entry.path for entry in assets.catalogue()}
    for name in set(GIVEN.values()):
        assert here[name] == home / name
    assert all(entry.purpose and entry.licence and entry.owner and entry.given for entry in assets.catalogue())


def test_the_catalogue_says_what_is_not_here(empty):
    assert {entry.path for entry in assets.catalogue()} == {None}
    assert {entry.name for entry in assets.catalogue()} > set(assets.MODELS)


def test_a_converted_file_can_be_added_elsewhere(home, empty):
    for name in ("smpl_female.npz", "smpl_mean_params.npz", "official.safetensors"):
        path = add(home / name)
        assert path == empty / name
    assert path.read_bytes() == (home / name).read_bytes()


def test_the_pickles_that_the_tests_write_are_true_pickles(given, shared):
    class Kept:
        pass

    class Unpickler(pickle.Unpickler):
        def find_class(self, module, name):
            return Kept if module.split(".")[0] in ("chumpy", "scipy") else super().find_class(module, name)

    with given["SMPL_NEUTRAL.pkl"].open("rb") as file:
        value = Unpickler(file, encoding="latin1").load()
    wanted = official_files.body(recipe(shared))
    np.testing.assert_array_equal(value["v_template"].x, wanted["v_template"])
    np.testing.assert_array_equal(value["posedirs"], wanted["posedirs"])
    assert value["J_regressor"]._shape == (24, 6890)
