"""What a run leaves behind: checkpoints to go on from, a log, the weights to ship; each whole or absent."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import math
import subprocess
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import nn

import vibe
from vibe import assets
from vibe.errors import check_same, damaged

CHECKPOINT, BEST, ABOUT, LOG = "checkpoint.pt", "best.pt", "run.json", "log.jsonl"
BEFORE = ".before.pt"
"""End of the name of the checkpoint before the last."""


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
        with damaged(f"{path} is damaged", "give another run folder"):
            about = json.loads(path.read_text(encoding="utf-8"))
            its, files, before = about.get("recipe", {}), about.get("data", {}), about.get("sources", [])
            if not (isinstance(its, dict) and isinstance(files, dict) and isinstance(before, list)):
                raise ValueError("it holds something else")
        check_same(path, its, plain, "recipe")
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
    """All that a run needs to go on as if it had never stopped; `keep` leaves the checkpoint before beside it."""
    state = {
        "recipe": json.dumps(as_plain(recipe), sort_keys=True),
        "step": step,
        "best": best,
        "parts": {name: part.state_dict() for name, part in parts.items()},
    }
    # The sum is the comment that a zip file, as torch writes it, may end with.
    content = saved(state)
    digest = hashlib.sha256(content).hexdigest().encode()
    content = content[:-2] + len(digest).to_bytes(2, "little") + digest
    assets.write_whole(path, content, durable=True, before=path.with_suffix(BEFORE) if keep else None)


def load_checkpoint(path: Path, recipe: Any, parts: Mapping[str, Stateful]) -> tuple[int, float]:
    """Fill in what `save_checkpoint` wrote and return step and best score; 0 and infinity if there is none.

    Where the last checkpoint is gone, or damaged (with a warning), the one before it is taken. Raises ValueError if
    there is none such, or if another recipe made it, or a run of other parts.
    """
    places = [place for place in (path, path.with_suffix(BEFORE)) if place.exists()]
    if not places:
        return 0, math.inf
    try:
        state = _state(places[0])
    except ValueError as error:
        if len(places) == 1:
            raise
        warnings.warn(f"{error}; going on from {places[1].name}, the checkpoint before it", stacklevel=2)
        state = _state(places[1])
    check_same(path, state["recipe"], as_plain(recipe), "recipe")
    if state["parts"].keys() != parts.keys():
        raise ValueError(f"{path} holds {', '.join(state['parts'])}; this run is made of {', '.join(parts)}")
    with damaged(f"{path} does not fit its own recipe", "it is damaged"):
        for name, part in parts.items():
            part.load_state_dict(state["parts"][name])
    return state["step"], state["best"]


def _state(path: Path) -> dict[str, Any]:
    """What a checkpoint holds, its recipe as plain values; raises ValueError."""
    # What torch raises on damaged files is any kind: RuntimeError, UnpicklingError, EOFError, UnicodeDecodeError ...
    with damaged(f"{path} is no checkpoint that can be gone on with", "give another run folder", Exception):
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
        return state | {"recipe": recipe}


def save_weights(path: Path, recipe: Any, step: int, network: nn.Module) -> None:
    """Parameters in half precision (counts as they are), with name, licence and recipe, without folders in that.

    Raises FloatingPointError, and leaves the file that is there, if one of them is no number in half precision.
    """
    tensors = {
        name: (value.half() if value.is_floating_point() else value).cpu().numpy()
        for name, value in network.state_dict().items()
    }
    if broken := [name for name, value in tensors.items() if not np.isfinite(value).all()]:
        raise FloatingPointError(
            f"{broken[0]} is no number in half precision after step {step}, and {path} was not written: train with a "
            "lower --rate, in another folder"
        )
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


def saved(state: Mapping[str, Any]) -> bytes:
    """The content of a file for `torch.load(path, weights_only=True)`."""
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


def as_plain(recipe: Any) -> dict[str, Any]:
    """A recipe as JSON knows it."""
    return json.loads(json.dumps(asdict(recipe)))


@contextmanager
def training_log(folder: Path, after: int) -> Iterator[Callable[[Mapping[str, float]], None]]:
    """What writes a record into the log of a run, and as points of TensorBoard's curves.

    No gap and no repetition whenever the run was killed: what an earlier process wrote about the steps that come after
    is dropped, since they are taken again.
    """
    cut_log(folder / LOG, after)
    with ExitStack() as stack:
        board = None
        if importlib.util.find_spec("tensorboard") is not None:
            from torch.utils.tensorboard import SummaryWriter

            board = stack.enter_context(SummaryWriter(str(folder / "tensorboard"), purge_step=after + 1))

        def write(record: Mapping[str, float]) -> None:
            with (folder / LOG).open("a", encoding="utf-8", newline="\n") as file:
                file.write(json.dumps(dict(record)) + "\n")
            if board is not None:
                for name, value in record.items():
                    board.add_scalar(name, value, int(record["step"]))

        yield write


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
