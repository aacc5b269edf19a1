"""Shapes and types are checked in tests, not in use: this hook has to stand before anything of vibe is imported."""

import gc
import re
from dataclasses import replace
from pathlib import Path

import hypothesis
import jaxtyping
import pytest

ROOT = Path(__file__).parents[1]
CHECKER = "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"
COMPILED = re.compile(r"^@(numba\.)?n?jit\b", re.MULTILINE)
"""Functions that numba compiles can't be wrapped; their modules are left as they are."""
SLOW = [
    ROOT / "tests" / name
    for name in (
        *("viewer/test_page_browser.py", "batch/test_killed.py", "faults/test_scenes.py", "test_package.py"),
        *("app/test_page_browser.py", "app/test_work.py"),
        *("docs/test_site.py", "train/test_trainer.py", "train/test_task_features.py", "train/test_loop.py"),
        *("cli/test_exact.py", "assets/test_convert.py", "faults/test_fuzz.py", "live/test_page_browser.py"),
        *("test_examples.py", "batch/test_s3.py", "cli/test_estimate.py", "inference/test_stages.py"),
        *("evaluate/test_end_to_end.py", "test_house.py", "refine/test_smplify.py"),
        *("editing/test_page_browser.py", "train/test_paper.py"),
    )
]
"""Files of few tests that take long: browsers, programs that are started, videos from beginning to end."""


def _checked() -> list[str]:
    """Names of the modules to check; packages are not among them, since a name stands for all that is below it."""
    files = [file for file in (ROOT / "src" / "vibe").rglob("*.py") if file.name != "__init__.py"]
    plain = [file for file in files if not COMPILED.search(file.read_text(encoding="utf-8"))]
    return [".".join(file.relative_to(ROOT / "src").with_suffix("").parts) for file in plain]


gc.disable()  # what is imported stays
jaxtyping.install_import_hook(_checked(), CHECKER)

# A busy machine takes its time, and the tests that limit time count what the processor did.
hypothesis.settings.register_profile(
    "busy machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("busy machine")
pytest_plugins = ["filmed"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long begins first, so that no process is left with it when the others have nothing to do any more."""
    rank = {path: place for place, path in enumerate(SLOW)}
    items.sort(key=lambda item: rank.get(item.path, len(SLOW)))


def pytest_collection_finish() -> None:
    """All modules are read by now: the collector of garbage need not go through them again and again."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """The same sums in the same order, whatever else the machine does."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Every test draws the same random numbers, alone or among others."""
    import torch

    torch.manual_seed(0)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of development data beside the checkout; it is no part of the project."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"the development data is not at {folder}")
    return folder


@pytest.fixture(scope="session")
def given(shared: Path):
    """The published program's numbers, and what rebuilds their inputs."""
    import parity
    import reference

    return parity.Given(reference.recipe(shared), 0, reference.entries(shared))


@pytest.fixture
def motion_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Smooth invented motion of two subjects, one of them held out, where the loop looks for it."""
    import numpy as np

    random = np.random.default_rng(0)
    time = np.arange(120)[:, None] / 30
    poses = 0.3 * np.sin(2 * np.pi * (time * random.uniform(0.2, 1, 72) + random.random(72)))
    folder = tmp_path / "motion"
    folder.mkdir()
    np.savez(
        folder / "tiny.npz", poses=poses.astype(np.float16), trans=np.zeros((120, 3), np.float16),
        seq_offsets=np.array([0, 60, 120]), names=np.array(["cmu_01_01", "cmu_03_01"]), fps=30,
    )  # fmt: skip
    monkeypatch.setenv("VIBE_MOTION", str(folder))
    return folder


@pytest.fixture
def tiny(motion_folder: Path):
    """A training recipe that runs in seconds."""
    from vibe.models.discriminator import DiscriminatorConfig
    from vibe.models.gru import EncoderConfig
    from vibe.models.keypoint_embedding import EmbeddingConfig
    from vibe.models.network import NetworkConfig
    from vibe.models.regressor import RegressorConfig
    from vibe.train.recipes import RECIPES

    network = NetworkConfig(
        EmbeddingConfig(features=16, blocks=1),
        EncoderConfig(features=16, hidden=8, bidirectional=True),
        RegressorConfig(features=16, hidden=16, activation="relu", dropout=0.1),
    )
    synthesis = replace(RECIPES["open"].synthesis, batch=4, frames=8)
    return replace(
        RECIPES["open"], motion=("tiny.npz",), steps=6, warmup=2, save_every=2, validate_every=6, network=network,
        synthesis=synthesis, discriminator=DiscriminatorConfig(hidden=8, attention_units=6),
    )  # fmt: skip
