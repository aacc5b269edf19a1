"""What the user is told."""

import pytest

from vibe.errors import run_guarded, shorten

WORDS = [
    "[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.",
    "OpenCV(4.12.0) error: (-4:Insufficient memory) Failed to allocate 9 bytes in function 'OutOfMemoryError'",
    "CUDA out of memory. Tried to allocate 2.00 GiB.",
    "XNNPack delegate failed to reshape runtimeNode number 332 (TfLiteXNNPackDelegate) failed to prepare.",
    "std::bad_alloc",
    "can't start new thread",
]


@pytest.mark.parametrize("words", WORDS)
def test_too_little_memory_is_said_in_the_same_words_whoever_met_it(words):
    def work():
        raise RuntimeError(words)

    assert run_guarded(work) == "the memory of this machine is not enough for it"


def test_a_fault_of_our_own_is_called_so():
    def work():
        raise KeyError("betas")

    assert "a fault of vibe's own, KeyError" in (run_guarded(work) or "")


def test_what_somebody_else_wrote_is_shown_at_a_length_that_can_be_read():
    assert shorten("name" * 60) == "name" * 60
    long = shorten("start" + "x" * 5000 + "end")
    assert long.startswith("startxxx") and long.endswith("xxxend (5008 characters)") and len(long) < 220
