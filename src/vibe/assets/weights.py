"""Sets of parameters and bodies: which file a name means, what is in it, and what it may be used for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vibe.assets.paths import folders, library, lying
from vibe.assets.registry import CONVERTED
from vibe.errors import damaged

if TYPE_CHECKING:
    from vibe.records import Weights

MAX_WEIGHTS_BYTES = 512 * 2**20
SHIPPED = Path(__file__).parents[1] / "weights"
OPEN_BODY = Path(__file__).parents[1] / "body" / "open_body.npz"
OPEN_HANDS = OPEN_BODY.with_name("open_hands.npz")
BODIES = ("open", "smpl", "smpl-male", "smpl-female")
"""The bodies that have a name; the last three are the user's own files, the first of them the neutral one."""
DEFAULT_WEIGHTS = "open.safetensors"
BACKBONE = "official-frame"
"""The weights whose ResNet-50 makes the features that generators read; they hold the single-frame baseline too."""
SHIPPED_SHA256 = {
    "mposer.safetensors": "ed704d5f771769050b2c5fc7dbab58143cdbf9266c6811125f313ee624538f20",
    "open.safetensors": "8e518b2080d8b413d83a2316fa6ddc323ae7683a88c20eb38c5f23481f027181",
    "vposer.safetensors": "919198e630cbfe46c59cfafea3ff1749adca06bf039af2b79fc66dafb23d65b5",
}
"""Of the weights that come with the package."""
NEEDED, SUM = {"name", "licence", "recipe"}, "sha256"
"""Metadata that every weights file has, and that of its content with zeros in the sum's place."""
KNOWN = {*NEEDED, SUM, "step", "format"}
INSTEAD = {"official": "official-3dpw"}
"""What a name stands for where the file of that name is not here."""


def weights_path(path: Path | str | None = None) -> Path:
    """A weights file: a path, the name of a shipped or added set, or the default set; raises FileNotFoundError.

    `official` means the published generator trained without 3DPW, or the other one where only that is here.
    """
    wanted = SHIPPED / DEFAULT_WEIGHTS if path is None else Path(path)
    file = f"{wanted.name}.safetensors"
    for candidate in (wanted, SHIPPED / file):
        if candidate.is_file():
            return candidate
    instead = INSTEAD.get(wanted.name, wanted.name)
    if added := lying(file) or lying(f"{instead}.safetensors"):
        return added
    if file in CONVERTED:
        given, purpose, _, owner = CONVERTED[file]
        raise FileNotFoundError(
            f"the weights {wanted.name} ({purpose}) are not here: get {given} from its owner ({owner}), then run "
            "`vibe assets add FILE`"
        )
    places = (SHIPPED, *folders())
    names = ", ".join(sorted({file.stem for place in places for file in place.glob("*.safetensors")})) or "none"
    raise FileNotFoundError(f"no weights at {wanted}: give a .safetensors file or one of the names here ({names})")


def load_weights(path: Path | str | None = None) -> tuple[dict[str, Any], Weights]:
    """A set of parameters, as tensors, and what it may be used for; raises FileNotFoundError, ValueError.

    Strict: the file's metadata must hold name, licence and recipe, its content have the SHA-256 that stands there
    (files of older versions lack it) or, of shipped weights, in `SHIPPED_SHA256`, and every number must be finite.
    """
    from safetensors.torch import load

    from vibe.records import Weights

    file = weights_path(path)
    metadata, content = _metadata(file), file.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if file.resolve() == (SHIPPED / file.name).resolve():
        whole = digest == SHIPPED_SHA256.get(file.name)
    elif SUM in metadata:
        blank = content.replace(_entry(metadata[SUM]), _entry("0" * 64), 1)
        whole = hashlib.sha256(blank).hexdigest() == metadata[SUM]
    else:
        whole = metadata.keys() <= KNOWN
    if not whole:
        raise ValueError(
            f"{file} is damaged: its content is not what was written (SHA-256); copy it again, or train anew"
        )
    tensors = load(content)
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise ValueError(f"{file}: tensor {name} holds a number that is not finite: the file is no use, train anew")
    return tensors, Weights(metadata["name"], digest, metadata["licence"])


def weights_bytes(tensors: Mapping[str, Any], metadata: Mapping[str, str]) -> bytes:
    """A weights file of NumPy's arrays, with the SHA-256 of its content in the metadata."""
    from safetensors.numpy import save

    content = save(dict(tensors), {**metadata, SUM: "0" * 64})
    # The library writes metadata in a random order; the same weights are to be the same bytes.
    size = int.from_bytes(content[:8], "little")
    head = json.dumps(json.loads(content[8 : 8 + size]), sort_keys=True, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    content = len(head).to_bytes(8, "little") + head + content[8 + size :]
    return content.replace(_entry("0" * 64), _entry(hashlib.sha256(content).hexdigest()), 1)


def _entry(digest: str) -> bytes:
    """The metadata's line of the sum, as it stands in a file."""
    return f'"{SUM}":"{digest}"'.encode()


def tensor_names(file: Path) -> set[str]:
    """What the parameters in a weights file are called, read from its head alone."""
    from safetensors import safe_open

    _metadata(file)
    with safe_open(file, framework="np") as archive:
        return set(archive.keys())


def body_path(body: Path | str = "open") -> Path:
    """The file of a body: the open one, the user's own by gender, or a path; raises FileNotFoundError."""
    if body == "open":
        return OPEN_BODY
    if body in BODIES:
        return library(f"smpl_{str(body).removeprefix('smpl').removeprefix('-') or 'neutral'}.npz")
    if not Path(body).is_file():
        raise FileNotFoundError(
            f"there is no body file {body}: give the path of an .npz file in SMPL's layout, or one of the names "
            f"{', '.join(BODIES)}"
        )
    return Path(body)


def load_recipe(path: Path | str | None = None) -> dict[str, Any]:
    """The recipe that a weights file was trained by, as plain values; raises FileNotFoundError, ValueError."""
    file = weights_path(path)
    recipe = json.loads(_metadata(file)["recipe"])
    if not isinstance(recipe, dict):
        raise ValueError(f"{file}: its recipe is a {type(recipe).__name__}, expected a JSON object")
    return recipe


def _metadata(file: Path) -> dict[str, str]:
    from safetensors import SafetensorError, safe_open

    if file.stat().st_size > MAX_WEIGHTS_BYTES:
        raise ValueError(f"{file} has {file.stat().st_size} bytes, more than any of our weights: is it the right file?")
    with damaged(f"{file} is not a weights file of ours", "give one of `vibe train`", SafetensorError):
        with safe_open(file, framework="np") as archive:
            metadata = archive.metadata() or {}
        json.loads(metadata.get("recipe", "{}"))
    if missing := NEEDED - metadata.keys():
        raise ValueError(f"{file} lacks {', '.join(sorted(missing))} in its metadata: give one that `vibe train` wrote")
    return metadata
