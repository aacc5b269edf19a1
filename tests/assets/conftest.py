import pytest


@pytest.fixture
def empty(monkeypatch, tmp_path):
    """A library with nothing in it."""
    monkeypatch.setenv("VIBE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    return tmp_path / "home"
