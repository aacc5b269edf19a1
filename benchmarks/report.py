"""Tables that say what they were measured on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from vibe.bench.measure import machine_name
from vibe.errors import explain

Options = TypeVar("Options")


def commit() -> str:
    """The commit measured, with a mark if anything but documents and tables has changed since."""
    name, changes = (
        subprocess.run(["git", *command], capture_output=True, text=True, check=False).stdout.strip()
        for command in (["rev-parse", "--short", "HEAD"], ["status", "--porcelain", "--", ":/", ":!/*.md"])
    )
    return (name or "unknown") + ("-dirty" if changes else "")


def run(main: Callable[[Options], None], options: Options) -> int:
    """Run a program that goes on where it was stopped; what ends it is one sentence, and the exit code 1."""
    try:
        main(options)
    except Exception as error:
        print(explain(error), file=sys.stderr)
        return 1
    return 0


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[object]], note: str, path: Path | None) -> None:
    """Print a Markdown table with what it was measured on; write it to `path` too."""
    lines = [f"## {title}", "", "| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for row in rows:
        cells = [f"{cell:.1f}" if isinstance(cell, float) else str(cell) for cell in row]
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", f"{note}. Commit {commit()}; {machine_name()}."]
    print("\n".join(lines))
    if path is not None:
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
