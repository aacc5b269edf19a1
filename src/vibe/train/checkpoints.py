"""What a run leaves behind: checkpoints to go on from, a log, the weights to ship; each whole or absent."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import math
import subprocess
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

import vibe
from vibe import assets

CHECKPOINT, BEST, ABOUT, LOG = "checkpoint.pt", "best.pt", "run.json", "log.jsonl"
BEFORE = ".before.pt"
"""End of the name of the checkpoint before the last."""
LONGEST_MESSAGE = 1000
"""Characters of the differences that a message names."""


@runtime_checkable
class Stateful(Protocol):
    """Networks, optimisers and schedules, as a checkpoint sees them."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state_dict: Any, /) -> Any: ...


def open_run_folder(folder: Path, recipe: Any, data: Mapping[str, str], writes: bool = True) -> None:
    """Make a run's folder, or find the same run in it, and write `run.json`: recipe, seed, data, sources, torch.

    Raises ValueError that names the fields in which the folder's own recipe or data differ.
    """
    path, plain, sources = folder / ABOUT, as_plain(recipe), [source()]
    if path.exists():
        try:
            about = json.loads(path.read_text(encoding="utf-8"))
            its, files, before = about.get("recipe", {}), about.get("data", {}), about.get("sources", [])
            right = isinstance(its, dict) and isinstance(files, dict) and isinstance(before, list)
        except (ValueError, RecursionError, AttributeError):
            right = False
        if not right:
            raise ValueError(f"{path} is damaged: give another run folder")
        check_same(path, its, plain)
        check_same(path, files, dict(data), "data")
        sources = before if sources[0] in before[-1:] else [*before, *sources]
    if writes:
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(".*.part"):
            left.unlink()
        about = {"recipe": plain, "seed": plain.get("seed"), "data": dict(data), "sources": sources}
        assets.write_whole(path, json.dumps(about | {"torch": torch.__version__}, indent=1).encode())


def save_checkpoint(
    path: Path, recipe: Any, parts: Mapping[str, Stateful], step: int, best: float, keep: bool = False
) -> None:
    """All that a run needs to go on as if it had never stopped, after so many steps and with that best score.

    `keep` leaves the checkpoint that was there beside it.
    """
    state = {
        "recipe": json.dumps(as_plain(recipe), sort_keys=True),
        "step": step,
        "best": best,
        "parts": {name: part.state_dict() for name, part in parts.items()},
    }
    # The sum is the comment that a zip file, as torch writes it, may end with.
    content = _bytes(state)
    digest = hashlib.sha256(content).hexdigest().encode()
    content = content[:-2] + len(digest).to_bytes(2, "little") + digest
    assets.write_whole(path, content, durable=True, before=path.with_suffix(BEFORE) if keep else None)


def load_checkpoint(path: Path, recipe: Any, parts: Mapping[str, Stateful]) -> tuple[int, float]:
    """Fill in what `save_checkpoint` wrote and return step and best score; 0 and infinity if there is none.

    Where the last checkpoint is gone, or damaged (with a warning), the one before it is taken. Raises ValueError if
    there is none such, or if another recipe made it, or a run of other parts.
    """
    before, state = path.with_suffix(BEFORE), None
    try:
        if path.exists():
            state = _state(path)
    except ValueError as error:
        if not before.exists():
            raise
        warnings.warn(f"{error}; going on from {before.name}, the checkpoint before it", stacklevel=2)
    if state is None and not before.exists():
        return 0, math.inf
    if state is None:
        path, state = before, _state(before)
    check_same(path, state["recipe"], as_plain(recipe))
    if state["parts"].keys() != parts.keys():
        raise ValueError(f"{path} holds {', '.join(state['parts'])}; this run is made of {', '.join(parts)}")
    try:
        for name, part in parts.items():
            part.load_state_dict(state["parts"][name])
    except (RuntimeError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} does not fit its own recipe ({str(error)[:300]}): it is damaged") from error
    return state["step"], state["best"]


def _state(path: Path) -> dict[str, Any]:
    """What a checkpoint holds, its recipe as plain values; raises ValueError."""
    try:
        content = path.read_bytes()
        if not content.endswith(b"\0\0"):
            plain, size, digest = content[:-66] + b"\0\0", content[-66:-64], content[-64:]
            if size != b"\x40\0" or hashlib.sha256(plain).hexdigest().encode() != digest:
                raise ValueError("its content is not what was written (SHA-256)")
        file = io.BytesIO(content)
        state = torch.load(file, weights_only=True, map_location="cpu")
        if "parts" not in state:
            raise ValueError("an older version wrote it")
        right = isinstance(state["step"], int) and isinstance(state["best"], float) and isinstance(state["parts"], dict)
        recipe = json.loads(state["recipe"])
        if not right or not isinstance(recipe, dict):
            raise ValueError("it holds something else")
    # What torch raises on damaged files is any kind: RuntimeError, UnpicklingError, EOFError, UnicodeDecodeError ...
    except Exception as error:
        raise ValueError(
            f"{path} is no checkpoint that can be gone on with ({str(error)[:200]}): give another run folder"
        ) from error
    return state | {"recipe": recipe}


def save_weights(path: Path, recipe: Any, step: int, network: nn.Module) -> None:
    """The parameters in half precision (counts as they are), with the recipe, its name and licence beside them.

    Of files that the recipe names by where they lie on this machine only the names are kept.
    """
    tensors = {
        name: (value.half() if value.is_floating_point() else value).cpu().numpy()
        for name, value in network.state_dict().items()
    }
    recipe_text = json.dumps(_anywhere(as_plain(recipe)), sort_keys=True)
    metadata = {"name": recipe.name, "licence": recipe.licence, "recipe": recipe_text, "step": str(step)}
    assets.write_whole(path, assets.weights_bytes(tensors, metadata), durable=True)


def _anywhere(value: Any) -> Any:
    """The same without folders of this machine."""
    if isinstance(value, dict):
        return {name: _anywhere(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_anywhere(each) for each in value]
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value


def save_batch(path: Path, step: int, batch: Mapping[str, Tensor]) -> None:
    """A batch for inspection, by `torch.load(path, weights_only=True)`: its tensors by name, and `step`."""
    assets.write_whole(path, _bytes({"step": step, **batch}))


def _bytes(state: Mapping[str, Any]) -> bytes:
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    return buffer.getvalue()


def data_checksum(files: Mapping[str, Path]) -> dict[str, str]:
    """SHA-256 of each file, by its name in the run."""
    return {name: assets.sha256(path) for name, path in files.items()}


def source() -> str:
    """What trains: the commit, with a mark if files have changed since, or outside a checkout the version."""
    folder, file = Path(vibe.__file__).parent, Path(vibe.__file__).name
    try:
        for command in (["ls-files", "--error-unmatch", file], ["describe", "--always", "--dirty", "--abbrev=40"]):
            done = subprocess.run(["git", "-C", folder, *command], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return f"vibe {vibe.__version__}"
    return f"commit {done.stdout.strip()}"


def check_same(place: Path, its: Mapping[str, Any], ours: Mapping[str, Any], what: str = "recipe") -> None:
    """Raise ValueError, with the fields that differ by dotted name and both values, unless both are the same."""
    one, two = _flat(its), _flat(ours)
    differing = [name for name in one | two if one.get(name, "absent") != two.get(name, "absent")]
    if differing:
        told = "; ".join(f"{n}: {one.get(n, 'absent')} there, {two.get(n, 'absent')} here" for n in differing)
        told = told if len(told) <= LONGEST_MESSAGE else f"{told[:LONGEST_MESSAGE]} ..."
        raise ValueError(f"{place} comes from another {what} ({told}): give another folder, or what it began with")


def as_plain(recipe: Any) -> dict[str, Any]:
    """A recipe as JSON knows it."""
    return json.loads(json.dumps(asdict(recipe)))


def _flat(values: Mapping[str, Any], name: str = "") -> dict[str, Any]:
    """Nested values under dotted names."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{name}{key}.") if isinstance(value, Mapping) else {f"{name}{key}": value}
    return flat


class TrainingLog:
    """The log of a run, without a gap or a repetition whenever the run was killed.

    Begins after a step: what an earlier process wrote about later ones is dropped, since they are taken again.
    """

    def __init__(self, folder: Path, after: int) -> None:
        self._path, self._board = folder / LOG, None
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
    """Drop the lines after a step, and one that was not finished; raises ValueError for a damaged line, OSError."""
    if not path.exists():
        return
    kept: list[str] = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        for line in lines:
            if not line.endswith("\n"):
                break
            record = json.loads(line)
            if not (isinstance(record, dict) and isinstance(record.get("step"), int | float)):
                raise ValueError("what it holds is no record")
            if record["step"] > step:
                break
            kept.append(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged in line {len(kept) + 1} ({error}): delete what is not whole") from error
    if len(kept) < len(lines):
        assets.write_whole(path, "".join(kept).encode())
