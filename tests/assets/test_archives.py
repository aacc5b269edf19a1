"""Arrays of .npz files that come from anywhere."""

import io
import zipfile

import numpy as np
import pytest
from raw_files import cut

from vibe.assets.archives import read_npz

KINDS = ["<f8", ">f4", "<f2", "<i8", ">u2", "|i1", "|b1", "<U7", "|S5"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0, 4)])
@pytest.mark.parametrize("order", "CF")
def test_an_array_comes_back_in_its_kind_shape_and_order(tmp_path, kind, shape, order):
    array = np.asarray(
        np.arange(6).reshape(2, 3).astype(kind) if shape == (2, 3) else np.ones(shape).astype(kind), order=order
    )
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "a.npz", a=array)
        (back,) = read_npz(tmp_path / "a.npz").values()
        assert back.shape == shape and back.dtype == array.dtype.newbyteorder("=") and np.array_equal(back, array)
        assert back.flags.writeable


def test_the_named_arrays_that_are_there_are_read_whatever_else_the_file_holds(tmp_path):
    np.savez(tmp_path / "a.npz", poses=np.arange(6.0), other=np.array([{}, 1], object))
    held = read_npz(tmp_path / "a.npz", ("poses", "trans"))
    assert list(held) == ["poses"]
    with pytest.raises(ValueError, match=r"a\.npz.*no plain numbers.*nothing is unpickled"):
        read_npz(tmp_path / "a.npz")
    cut(tmp_path / "a.npz", 0.5)
    with pytest.raises(ValueError, match=r"a\.npz is no \.npz file"):
        read_npz(tmp_path / "a.npz", ("poses",))
    with pytest.raises(FileNotFoundError):
        read_npz(tmp_path / "b.npz")


def packed(path, *members, way=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", way) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def npy(array):
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


def test_a_small_file_cannot_fill_the_memory(tmp_path):
    zeros = packed(tmp_path / "a.npz", ("a.npy", npy(np.zeros(1 << 24))))
    assert zeros.stat().st_size < 1 << 18
    with pytest.raises(ValueError, match="unpacks to 128 MB"):
        read_npz(zeros)
    promised = npy(np.zeros(3)).replace(b"(3,)", b"(999999999999,)", 1)
    with pytest.raises(ValueError, match="not as many as it says|not one of a plain array"):
        read_npz(packed(tmp_path / "b.npz", ("a.npy", promised)))


@pytest.mark.parametrize("content", [b"", b"PK\x05\x06", b"junk" * 99, b"\x93NUMPY\x01\x00\xff\xff(((("])
def test_whatever_a_member_holds_the_complaint_is_one_sentence_with_the_path(tmp_path, content):
    for path in (tmp_path / "a.npz", packed(tmp_path / "b.npz", ("a.npy", content)),
                 packed(tmp_path / "c.npz", ("a.npy", npy(np.ones(2))), way=zipfile.ZIP_BZIP2)):  # fmt: skip
        path.exists() or path.write_bytes(content)
        with pytest.raises(ValueError, match=path.name) as caught:
            read_npz(path)
        assert "\n" not in str(caught.value)


def test_a_file_that_points_outside_of_itself_is_refused_by_name(tmp_path):
    path = packed(tmp_path / "a.npz", ("a.npy", npy(np.ones(2))))
    content = bytearray(path.read_bytes())
    place = content.rindex(b"PK\x05\x06") + 16
    content[place : place + 4] = b"\xff\xff\xff\x7f"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.npz"):
        read_npz(path)
