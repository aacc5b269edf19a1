"""What the user is told: exit codes, one line for each failure, lines as they are."""

from __future__ import annotations

from rich.console import Console

from vibe.failures import attempt, sentence

__all__ = ["DONE", "FAILED", "INTERRUPTED", "USAGE", "attempt", "complain", "refuse", "say", "sentence"]

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
"""Exit codes."""


def refuse(reason: str) -> int:
    """Say that the command was used wrongly."""
    complain(reason)
    return USAGE


def complain(*lines: str) -> None:
    """Lines for the user on stderr."""
    for line in lines:
        say(Console(stderr=True), f"vibe: {line}")


def say(console: Console, text: str) -> None:
    """One line as it is: not wrapped, not coloured, no markup."""
    console.print(text, markup=False, highlight=False, soft_wrap=True, emoji=False)
