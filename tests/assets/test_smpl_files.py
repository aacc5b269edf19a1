import io

import numpy as np
import pytest
from official_files import Foreign, chumpy, old_pickle, sparse

from vibe import convert
from vibe.skeletons import SMPL_PARENTS


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("VIBE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def body(vertices=6890, joints=24, shapes=10):
    """A body in SMPL's layout, of small numbers."""
    weights = np.zeros((vertices, joints))
    weights[np.arange(vertices), np.arange(vertices) % joints] = 1
    parents = [2**32 - 1, *SMPL_PARENTS[1:], *range(40)][:joints]
    return {
        "v_template": np.random.default_rng(0).normal(size=(vertices, 3)),
        "shapedirs": np.zeros((vertices, 3, shapes), np.float16),
        "posedirs": np.zeros((vertices, 3, 9 * (joints - 1)), np.int8),
        "J_regressor": np.ascontiguousarray(weights.T) / weights.sum(0)[:, None],
        "weights": weights,
        "f": np.zeros((13776, 3), np.uint32),
        "kintree_table": np.array([parents, range(joints)], np.int64),
    }


def npz(path, arrays):
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)
    return path


def added(path):
    (answer,) = convert.add([path])
    assert isinstance(answer, convert.Added), answer.reason
    return answer.path


def refused(path, home):
    (answer,) = convert.add([path])
    assert isinstance(answer, convert.Refused)
    assert answer.reason.startswith(f"{path}: ")
    assert not home.exists() or not list(home.iterdir())
    return answer.reason.removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    ("file", "gender"),
    [
        ("SMPL_NEUTRAL.npz", "neutral"),
        ("SMPL_MALE.npz", "male"),
        ("SMPL_FEMALE.npz", "female"),
        ("basicmodel_m_lbs_10_207_0_v1.1.0.npz", "male"),
        ("basicModel_f_lbs_10_207_0_v1.0.0.npz", "female"),
        ("basicModel_neutral_lbs_10_207_0_v1.0.0.npz", "neutral"),
        ("female/model.npz", "female"),
        ("body.npz", "neutral"),
    ],
)
def test_the_name_of_a_body_hints_at_its_gender(file, gender, tmp_path):
    (tmp_path / file).parent.mkdir(exist_ok=True)
    assert added(npz(tmp_path / file, body())).name == f"smpl_{gender}.npz"


def test_what_a_body_says_of_its_gender_goes_before_its_name(tmp_path):
    path = npz(tmp_path / "SMPL_MALE.npz", body() | {"gender": np.array("female")})
    assert added(path).name == "smpl_female.npz"


def test_a_name_does_not_hide_what_a_file_is(tmp_path):
    assert added(npz(tmp_path / "J_regressor_extra.npy", body())).name == "smpl_neutral.npz"


def test_a_body_without_its_licence_file_is_taken(tmp_path):
    with np.load(added(npz(tmp_path / "body", body()))) as file:
        assert "Max Planck" in str(file["licence"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"posedirs": None, "f": None}, "lacks f, posedirs"),
        ({"v_template": np.zeros((6889, 3))}, r"v_template has the shape \(6889, 3\), expected \(6890, 3\)"),
        ({"v_template": np.full((6890, 3), np.nan)}, "v_template holds a number that is not finite"),
        ({"shapedirs": np.full((6890, 3, 10), np.inf)}, "shapedirs holds a number that is not finite"),
        ({"shapedirs": np.zeros((6890, 3, 6))}, "6 shape components"),
        ({"shapedirs": np.zeros((6890, 30))}, r"shapedirs has the shape \(6890, 30\)"),
        ({"weights": np.zeros((6890, 24))}, "rows of weights sum to something else than 1"),
        ({"J_regressor": np.ones((24, 6890))}, "rows of J_regressor sum"),
        ({"f": np.full((13776, 3), 6890)}, "vertices that do not exist"),
        ({"f": np.full((13776, 3), -1)}, "vertices that do not exist"),
        ({"f": np.zeros((13776, 3))}, "vertices that do not exist"),
        ({"kintree_table": np.zeros((2, 24), np.int64)}, "connected in another way"),
        ({"v_template": np.array(["x"] * 3)}, "v_template holds no numbers"),
        ({"weights": np.zeros((6890, 24), bool)}, "weights holds no numbers"),
        ({"weights": np.zeros((6890, 24), complex)}, "weights holds no plain numbers"),
        (lambda: body(6890, 52), "SMPL-H .* 52 joints"),
        (lambda: body(10475, 55), "SMPL-X .* 55 joints"),
        (lambda: body(778, 16), "MANO .* 16 joints"),
        (lambda: body(6890, 23), "another body, which has 23 joints"),
        (lambda: body(7000, 24), r"v_template has the shape \(7000, 3\)"),
    ],
)
def test_a_body_that_is_not_smpls_or_damaged_is_refused_with_the_reason(change, message, tmp_path, home):
    arrays = change() if callable(change) else body() | change
    arrays = {name: array for name, array in arrays.items() if array is not None}
    with pytest.raises(ValueError, match=message):
        raise ValueError(refused(npz(tmp_path / "a.npz", arrays), home))


def test_what_is_not_needed_may_be_anything_that_runs_nothing(tmp_path):
    plain = body()
    computed = Foreign("chumpy.ch_ops", "add", {"a": chumpy(plain["v_template"]), "b": chumpy(plain["v_template"])})
    more = {"J": computed, "names": np.array(["a", "b"], object), "pose_training_info": {"a": [None, (1, "x")]}}
    (tmp_path / "a.pkl").write_bytes(old_pickle(plain | more))
    with np.load(added(tmp_path / "a.pkl")) as file:
        np.testing.assert_array_equal(file["v_template"], plain["v_template"])


def test_a_number_that_chumpy_would_have_to_compute_is_named(tmp_path, home):
    plain = body()
    computed = Foreign("chumpy.ch_ops", "add", {"a": chumpy(plain["v_template"]), "b": chumpy(plain["v_template"])})
    (tmp_path / "a.pkl").write_bytes(old_pickle(plain | {"v_template": computed}))
    assert "v_template is the result of chumpy.ch_ops.add" in refused(tmp_path / "a.pkl", home)


def test_a_sparse_regressor_becomes_the_dense_one(tmp_path):
    plain = body()
    (tmp_path / "a.pkl").write_bytes(old_pickle(plain | {"J_regressor": sparse(plain["J_regressor"])}))
    with np.load(added(tmp_path / "a.pkl")) as file:
        np.testing.assert_array_equal(file["J_regressor"], plain["J_regressor"])


@pytest.mark.parametrize("shape", [(9, 6889), (10, 6890), (6890, 9), (6890,), (9, 6890, 1), ()])
def test_a_regressor_of_another_shape_is_refused(shape, tmp_path, home):
    np.save(tmp_path / "a.npy", np.zeros(shape))
    assert str(shape) in refused(tmp_path / "a.npy", home)


def test_a_regressor_with_a_number_that_is_none_is_refused(tmp_path, home):
    np.save(tmp_path / "a.npy", np.full((9, 6890), np.nan))
    assert "not finite" in refused(tmp_path / "a.npy", home)


def mixture(count=2):
    return {
        "means": np.zeros((count, 69)),
        "covars": np.tile(np.eye(69), (count, 1, 1)),
        "weights": np.full(count, 1 / count),
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"means": np.zeros((2, 63))}, r"means has the shape \(2, 63\)"),
        ({"covars": np.zeros((2, 69, 69))}, "no covariance"),
        ({"covars": np.zeros((3, 69, 69))}, "covars has the shape"),
        ({"weights": np.array([0.0, 1.0])}, "not positive"),
        ({"weights": np.zeros((2, 2))}, "weights has the shape"),
        ({"means": np.full((2, 69), np.nan)}, "means holds a number that is not finite"),
    ],
)
def test_a_mixture_that_is_none_is_refused(change, message, tmp_path, home):
    (tmp_path / "a.pkl").write_bytes(old_pickle(mixture() | change))
    with pytest.raises(ValueError, match=message):
        raise ValueError(refused(tmp_path / "a.pkl", home))


def test_a_mixture_is_taken_from_either_kind_of_file(tmp_path):
    (tmp_path / "a.pkl").write_bytes(old_pickle(mixture()))
    assert added(tmp_path / "a.pkl").read_bytes() == added(npz(tmp_path / "b", mixture())).read_bytes()


@pytest.mark.parametrize(
    "change", [{"pose": np.zeros(72)}, {"shape": np.zeros((1, 10))}, {"cam": np.full(3, np.nan)}, {"cam": np.zeros(0)}]
)
def test_mean_parameters_of_another_shape_are_refused(change, tmp_path, home):
    arrays = {"pose": np.zeros(144), "shape": np.zeros(10), "cam": np.zeros(3)} | change
    assert f"{next(iter(change))} h" in refused(npz(tmp_path / "a.npz", arrays), home)


def test_another_npz_file_is_refused_with_what_it_holds(tmp_path, home):
    assert "betas, poses" in refused(npz(tmp_path / "a.npz", {"poses": np.zeros(3), "betas": np.zeros(2)}), home)


def test_a_write_that_fails_is_said_and_leaves_nothing(tmp_path, home, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    buffer = io.BytesIO()
    np.save(buffer, np.zeros((9, 6890)))
    (tmp_path / "a.npy").write_bytes(buffer.getvalue())
    assert refused(tmp_path / "a.npy", home) == "No space left on device"
