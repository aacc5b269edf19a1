"""What the user is told."""

import ast
import errno
import re
from importlib import metadata
from pathlib import Path

import pytest

import vibe
from vibe.errors import check_distinct, damaged, explain, needs_extra, shorten

WORDS = [
    "[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.",
    "OpenCV(4.12.0) error: (-4:Insufficient memory) Failed to allocate 9 bytes in function 'OutOfMemoryError'",
    "CUDA out of memory. Tried to allocate 2.00 GiB.",
    "XNNPack delegate failed to reshape runtimeNode number 332 (TfLiteXNNPackDelegate) failed to prepare.",
    "std::bad_alloc",
    "can't start new thread",
    "libLiteRt.so: failed to map segment from shared object",
    "PyObject pointer is null",
]


@pytest.mark.parametrize("words", WORDS)
def test_too_little_memory_is_said_in_the_same_words_whoever_met_it(words):
    assert explain(RuntimeError(words)) == "the memory of this machine is not enough for it"
    with pytest.raises(MemoryError), damaged("a.npz does not fit"):
        raise RuntimeError(words)


def test_no_room_for_a_thread_is_too_little_memory():
    said = BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
    assert explain(said) == "the memory of this machine is not enough for it"


def test_a_fault_of_our_own_is_called_so():
    assert "a fault of vibe's own, KeyError" in explain(KeyError("betas"))


def test_what_somebody_else_wrote_is_shown_at_a_length_that_can_be_read():
    assert shorten("name" * 60) == "name" * 60
    long = shorten("start" + "x" * 5000 + "end")
    assert long.startswith("startxxx") and long.endswith("xxxend (5008 characters)") and len(long) < 220


def test_an_extra_that_is_missing_is_named_with_the_command_that_installs_it():
    complaint = 'USD needs usd-core, which is not installed: run `pip install "vibe-motion[usd]"`'
    with pytest.raises(ImportError, match=re.escape(complaint)), needs_extra("USD", "usd-core", "usd"):
        import no_such_package  # noqa: F401  # pyright: ignore[reportMissingImports]


def test_each_extra_that_a_message_names_brings_the_package_that_it_names():
    brought = set()
    for line in metadata.requires("vibe-motion") or []:
        if found := re.match(r"([\w-]+).*; extra == .(\w+)", line):
            brought.add(found.groups())
    named = set()
    for file in Path(vibe.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "needs_extra":
                named.add(tuple(ast.literal_eval(argument) for argument in node.args[1:]))
    assert len(named) >= 10 and named <= brought


def test_what_comes_twice_is_named_with_where() -> None:
    check_distinct((2, 3, 1), "--seeds")
    with pytest.raises(ValueError, match=r"--seeds has 0, 2 twice: give each once"):
        check_distinct((0, 2, 2, 1, 0), "--seeds")


def test_a_training_that_diverged_is_one_sentence() -> None:
    assert explain(FloatingPointError("the loss is nan\nat step 7")) == "the loss is nan at step 7"
