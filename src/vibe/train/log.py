"""What a run writes down as it goes: a line of JSON for each record, and TensorBoard's files if that is installed."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vibe import assets

LOG = "log.jsonl"


class TrainingLog:
    """The log of a run, without a gap or a repetition whenever the run was killed.

    Begins after a step: what an earlier process wrote about later ones is dropped, since they are taken again. A
    journal that does not write is that of the other processes of a team.
    """

    def __init__(self, folder: Path, after: int, writes: bool = True) -> None:
        self._path, self._writes = folder / LOG, writes
        self._board: Any = None
        if not writes:
            return
        cut_log(self._path, after)
        if importlib.util.find_spec("tensorboard") is not None:
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=after + 1)

    def __enter__(self) -> TrainingLog:
        return self

    def __exit__(self, *_: object) -> None:
        if self._board is not None:
            self._board.close()

    def write(self, record: Mapping[str, float]) -> None:
        """One line more; a curve of each number in TensorBoard."""
        with self._path.open("a", encoding="utf-8", newline="\n") as file:
            file.write(json.dumps(dict(record)) + "\n")
        if self._board is not None:
            for name, value in record.items():
                self._board.add_scalar(name, value, int(record["step"]))


def cut_log(path: Path, step: int) -> None:
    """Drop the lines after a step, and one that was not finished."""
    if not path.exists():
        return
    lines = _lines(path)
    kept = []
    for line, record in lines:
        if record is None or record["step"] > step:
            break
        kept.append(line)
    if len(kept) < len(lines):
        assets.write_whole(path, "".join(kept).encode())


def read_log(folder: Path) -> list[dict[str, float]]:
    """The records of a run so far; raises FileNotFoundError, and ValueError for a log that is damaged."""
    return [record for _, record in _lines(folder / LOG) if record is not None]


def _lines(path: Path) -> list[tuple[str, dict[str, float] | None]]:
    """The lines of a log with their records; the last has none if it was not finished. Raises ValueError, OSError."""
    found: list[tuple[str, dict[str, float] | None]] = []
    try:
        for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
            record = json.loads(line) if line.endswith("\n") else None
            if record is not None and not (isinstance(record, dict) and isinstance(record.get("step"), int | float)):
                raise ValueError("what it holds is no record")
            found.append((line, record))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged in line {len(found) + 1} ({error}): delete what is not whole") from error
    return found
