"""A motion that is hard to get right, and the programs of others, which `make interop` sets up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import performers
import pytest
import torch

from vibe.body import Body, load_body
from vibe.motion import Result

PROGRAMS = Path(__file__).parents[2] / ".venv-interop"


@pytest.fixture(scope="session")
def body() -> Body:
    """Named as SMPL's are, so that its betas are told to programs that have SMPL."""
    body = load_body(detail="low")
    return replace(body, origin=replace(body.origin, name="SMPL neutral"))


@pytest.fixture(scope="session")
def given(body: Body) -> Result:
    """Two people of unusual shape who turn, bow, swing all joints and jump; one is out of sight for four frames."""
    seen = torch.tensor([frame for frame in range(60) if not 20 < frame < 25])
    people = performers.performer(body, seen), performers.performer(body, torch.arange(20, 50), 1)
    return performers.show(body, *people, fps=30000 / 1001)


def _program(name: str) -> Path:
    python = PROGRAMS / name / "bin" / "python"
    if not python.exists():
        python = PROGRAMS / name / "Scripts" / "python.exe"
    if not python.exists():
        pytest.skip(f"{name} is not here: make interop installs it")
    return python


@pytest.fixture(scope="session")
def blender_python() -> Path:
    """Blender as a Python package."""
    return _program("blender")


@pytest.fixture(scope="session")
def aitviewer_python() -> Path:
    """A Python that has aitviewer."""
    return _program("aitviewer")


@pytest.fixture(scope="session")
def opensim_python() -> Path:
    """A Python that has OpenSim."""
    return _program("opensim")


@pytest.fixture(scope="session")
def vmcp_python() -> Path:
    """A Python that has vmcp."""
    return _program("vmcp")


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """Where Node finds Khronos's validator."""
    folder = PROGRAMS / "node_modules"
    if not (folder / "gltf-validator").is_dir():
        pytest.skip("gltf-validator is not here: make interop installs it")
    return folder
