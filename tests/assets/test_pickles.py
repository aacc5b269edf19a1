import collections
import pickle
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vibe.assets import pickles
from vibe.assets.pickles import Made, Name

LEAVES = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=20)
KEYS = st.text(max_size=5) | st.integers(-(2**40), 2**40)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(KEYS, inner, max_size=5) | st.tuples(inner, inner),
    max_leaves=30,
)
SEEDS = [
    pickle.dumps({"a": [1, 2.5, "x", (None, True)], 3: collections.OrderedDict(b=b"bytes")}, protocol)
    for protocol in range(6)
]


@settings(max_examples=150)
@given(VALUES, st.integers(0, 5))
def test_plain_values_come_out_as_an_unpickler_gives_them(value, protocol):
    content = pickle.dumps(value, protocol)
    assert pickles.read_pickle(content) == (value, len(content))


@pytest.mark.parametrize("protocol", range(6))
def test_shared_and_circular_values_stay_so(protocol):
    shared = [1]
    value = [shared, shared, (shared,)]
    value.append(value)
    read, _ = pickles.read_pickle(pickle.dumps(value, protocol))
    assert read[0] is read[1] is read[2][0]
    assert read[3] is read


@pytest.mark.parametrize("protocol", range(6))
def test_an_ordered_dict_is_a_dict_and_a_set_is_a_list(protocol):
    ordered = collections.OrderedDict(b=1, a=2)
    ordered.extra = "dropped"
    read, _ = pickles.read_pickle(pickle.dumps([ordered, {7}], protocol))
    assert list(read[0].items()) == [("b", 1), ("a", 2)]
    assert read[1] == [7] if protocol >= 4 else (read[1].kind, read[1].args) == ("set", ([7],))


def test_strings_of_python_2_are_read_in_every_writing():
    quoted, short, long = b"S'a\\x00\\'b'\n.", b"U\x04a\x00'b.", b"T\x04\x00\x00\x00a\x00'b."
    assert {pickles.read_pickle(content)[0] for content in (quoted, short, long)} == {"a\0'b"}
    numbers = bytes(range(256)) * 8
    read, _ = pickles.read_pickle(b"S" + repr(numbers)[1:].encode() + b"\n.")
    assert bytes(read) == numbers


def test_what_would_be_called_is_only_noted():
    noted, _ = pickles.read_pickle(b"cchumpy.ch\nCh\n)\x81}b.")
    assert isinstance(noted, Made)
    assert (noted.kind, noted.args, noted.state) == ("chumpy.ch.Ch", (), {})
    assert pickles.read_pickle(b"c__builtin__\nset\n.")[0] == Name("set")


def is_read_or_refused(content: bytes) -> None:
    """Soon, and with a reason."""
    began = process_time()
    try:
        pickles.read_pickle(content, references=[])
    except ValueError as error:
        assert str(error)
    assert process_time() - began < 2


@settings(max_examples=400)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content):
    is_read_or_refused(content)


@settings(max_examples=600)
@given(st.sampled_from(SEEDS), st.data())
def test_a_pickle_with_some_bytes_changed_is_read_or_refused(content, data):
    changed = bytearray(content)
    opcodes = st.sampled_from([*pickles.STEPS, pickles.STOP]) | st.integers(0, 255)
    for _ in range(data.draw(st.integers(1, 6))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(opcodes)
    cut = data.draw(st.integers(1, len(changed)))
    is_read_or_refused(bytes(changed[:cut]))


@settings(max_examples=400)
@given(st.lists(st.sampled_from([*pickles.STEPS, pickles.STOP]), max_size=60))
def test_any_order_of_opcodes_is_read_or_refused(codes):
    is_read_or_refused(bytes(codes))


def test_every_opcode_of_python_is_known_but_those_for_buffers_elsewhere():
    import pickletools

    there = {ord(opcode.code) for opcode in pickletools.opcodes}
    left = {opcode.name for opcode in pickletools.opcodes if ord(opcode.code) not in {*pickles.STEPS, pickles.STOP}}
    assert left == {"NEXT_BUFFER", "READONLY_BUFFER"}
    assert {*pickles.STEPS, pickles.STOP} <= there
