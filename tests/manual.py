"""The pages, the commands in them, and what is done with each."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHELL = {"sh", "powershell"}
WORDS = ("vibe", "make", "pip", "python", "python3", "py", "torchrun", ".", ".venv\\Scripts\\activate")
"""What a line of an indented block begins with if it is a command; all others are formulas."""


@dataclass(frozen=True)
class Command:
    """One command of a page."""

    page: str
    line: str
    variables: dict[str, str]
    words: tuple[str, ...]

    @property
    def program(self) -> str:
        return self.words[0]


def read(page: Path, line: str) -> Command:
    """A line taken apart: VARIABLE=value words, without what is behind `#`."""
    words = shlex.split(line.replace("\\", "\\\\"), comments=True)
    variables = {}
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        name, value = words.pop(0).split("=", 1)
        variables[name] = value
    return Command(page.name, line.strip(), variables, tuple(words))


def commands(page: Path) -> list[Command]:
    """Those of the shell's fences, each line one; and the lines of indented blocks that begin with a known word."""
    text = page.read_text(encoding="utf-8")
    fenced = [line for kind, block in FENCE.findall(text) if kind in SHELL for line in block.splitlines()]
    indented = re.findall(r"^    (\S.*)$", FENCE.sub("", text), re.MULTILINE)
    found = [read(page, line) for line in fenced if line.strip()]
    for line in indented:
        first = re.sub(r"^([A-Z_]+=\S*\s+)+", "", line).split()[0]
        if first in WORDS:
            found.append(read(page, line))
    return found


def spans(page: Path) -> list[Command]:
    """Commands of vibe within a sentence or a table, whole or in part."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    return [read(page, " ".join(span.split())) for span in re.findall(r"`(vibe [^`]+)`", text)]


def snippets(page: Path) -> list[str]:
    """The page's blocks of Python."""
    return [block for kind, block in FENCE.findall(page.read_text(encoding="utf-8")) if kind == "python"]
