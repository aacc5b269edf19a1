"""Files of records and their examples, against a plain writer and published checksums."""

import struct
from pathlib import Path

import numpy as np
import pytest
from tfrecords import crc32c, example, masked, record, sized, varint, write_records

from vibe.data.sets.insta_variety import masked_crc, read_example, read_record, read_records

FEATURES = {
    "image/encoded": [b"one", b"", b"three" * 100],
    "image/xys": [0.5, -1.25, 3e9],
    "meta/N": [3],
    "numbers": [0, 127, 128, -1, 2**63 - 1, -(2**63)],
}


def test_the_checksum_is_the_published_one_and_equals_a_plain_one() -> None:
    assert crc32c(b"123456789") == 0xE3069283 and crc32c(bytes(32)) == 0x8A9136AA
    for content in (b"", b"1", b"123456789", bytes(32), np.random.default_rng(0).bytes(1001)):
        assert struct.pack("<I", masked_crc(content)) == masked(content)


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    contents = [example(FEATURES), b"", example({"meta/N": [1]})]
    write_records(tmp_path / "a.tfrecord", contents)
    read = list(read_records(tmp_path / "a.tfrecord"))
    assert [content for _, content in read] == contents
    for place, content in read:
        assert read_record(tmp_path / "a.tfrecord", place) == content
    found = read_example(contents[0], FEATURES.keys())
    assert found["image/encoded"] == FEATURES["image/encoded"]
    assert np.array_equal(found["image/xys"], np.float32(FEATURES["image/xys"]))
    assert np.array_equal(found["numbers"], FEATURES["numbers"]) and found["meta/N"] == [3]
    assert read_example(contents[0], {"meta/N", "none"}).keys() == {"meta/N"}


def test_numbers_that_are_not_packed_are_read_too() -> None:
    numbers = b"".join(varint(1 << 3) + varint(number) for number in (5, -7))
    floats = b"".join(varint(1 << 3 | 5) + struct.pack("<f", number) for number in (0.5, 2.5))
    entries = [
        sized(1, sized(1, name) + sized(2, sized(kind, values)))
        for name, kind, values in ((b"n", 3, numbers), (b"f", 2, floats))
    ]
    found = read_example(sized(1, b"".join(entries)), {"n", "f"})
    assert np.array_equal(found["n"], [5, -7]) and np.array_equal(found["f"], [0.5, 2.5])


def test_a_shard_that_is_cut_off_anywhere_says_so_after_its_whole_records(tmp_path: Path) -> None:
    path, contents = tmp_path / "a.tfrecord", [b"first", b"second"]
    write_records(path, contents)
    whole, first = path.read_bytes(), len(record(contents[0]))
    for size in (*range(1, first), *range(first + 1, len(whole))):
        path.write_bytes(whole[:size])
        found = []
        with pytest.raises(ValueError, match="cut off"):
            for _, content in read_records(path):
                found.append(content)
        assert found == contents[: int(size > first)]


def test_a_wrong_bit_is_found(tmp_path: Path) -> None:
    path, contents = tmp_path / "a.tfrecord", [b"first", b"second"]
    write_records(path, contents)
    whole = path.read_bytes()
    for at in range(len(record(contents[0]))):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        if at < 12:
            with pytest.raises(ValueError, match="no TFRecord, or damaged"):
                list(read_records(path))
        else:
            assert [content for _, content in read_records(path)] == [None, b"second"]
            with pytest.raises(ValueError, match="checksum of its record at byte 0"):
                read_record(path, 0)


def test_a_length_beyond_the_file_is_refused_without_reading_it(tmp_path: Path) -> None:
    length = struct.pack("<Q", 2**62)
    (tmp_path / "a.tfrecord").write_bytes(length + masked(length) + b"little")
    with pytest.raises(ValueError, match="cut off"):
        list(read_records(tmp_path / "a.tfrecord"))


def test_what_is_no_example_is_refused_or_has_no_features() -> None:
    random = np.random.default_rng(0)
    whole = example(FEATURES)
    for _ in range(2000):
        broken = bytearray(whole[: random.integers(1, len(whole))])
        for at in random.integers(0, len(broken), 3):
            broken[at] = random.integers(256)
        try:
            found = read_example(bytes(broken), FEATURES.keys())
        except ValueError:
            continue
        assert found.keys() <= FEATURES.keys()
