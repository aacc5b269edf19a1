"""What breaks things: kills, full disks, lost permissions, damaged files, failing decoders, little memory."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

BROKEN = Path(__file__).with_name("broken.py")
DROP, OVERRIDES = 24, (1, 2)
"""Linux's number for giving up a right for good, and those of overriding the permissions of files."""
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither signals nor limits")
linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def said(self) -> list[str]:
        """The lines in which vibe complains."""
        return [line for line in self.err.splitlines() if line.startswith("vibe: ")]


def begin(
    *arguments: object,
    broken: Mapping[str, int] | None = None,
    memory: int | None = None,
    file_size: int | None = None,
    no_override: bool = False,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[str]:
    """Begin `vibe ARGUMENTS` in a process and a process group of its own; both outputs are pipes.

    `broken` is what `broken.py` breaks in it (`decoder=40`: the decoder fails at the 40th frame), `memory` the bytes of
    address space that it may take more than it takes with its imports done, `file_size` the bytes of its largest file;
    `no_override` gives up root's right to read and write what nobody may.
    """
    given = [f"--{name}={value}" for name, value in {**(broken or {}), "memory": memory}.items() if value is not None]
    command = [sys.executable, str(BROKEN), *given, "--"] if given else [sys.executable, "-m", "vibe"]

    def prepare() -> None:
        import resource

        if file_size is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))
        if no_override and os.geteuid() == 0:
            import ctypes

            for right in OVERRIDES:
                ctypes.CDLL(None).prctl(DROP, right, 0, 0, 0)

    return subprocess.Popen(
        [*command, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})},
        start_new_session=True,
        preexec_fn=prepare,
    )


def end(process: subprocess.Popen[str], seconds: float = 600.0) -> Done:
    """Wait for a process; one that takes longer than `seconds` is killed with its children, and TimeoutExpired."""
    began = time.monotonic()
    try:
        out, err = process.communicate(timeout=seconds)
    except BaseException:
        kill_all(process)
        raise
    return Done(process.returncode, out, err, time.monotonic() - began)


def run(*arguments: object, seconds: float = 600.0, **breaks: Any) -> Done:
    """`vibe ARGUMENTS` from beginning to end, with what `begin` can break."""
    return end(begin(*arguments, **breaks), seconds)


def children(pid: int) -> list[int]:
    """All living descendants of a process, parents first."""
    below: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        with suppress(OSError, ValueError, IndexError):
            state, parent = (folder / "stat").read_text().rsplit(")", 1)[1].split()[:2]
            if folder.name.isdecimal() and state not in "ZX":
                below.setdefault(int(parent), []).append(int(folder.name))
    found = [pid]
    for each in found:
        found += below.get(each, [])
    return found[1:]


def kill_at_random(
    process: subprocess.Popen[str], dice: random.Random, seconds: float, among: str = "all", after: float = 0.0
) -> int | None:
    """SIGKILL after `after` to `seconds` seconds; the process id that was killed, None if the process ended before.

    `among` is "all" (the process or a descendant of it), "parent" (the process) or "children" (a descendant).
    """
    until = time.monotonic() + dice.uniform(after, seconds)
    while time.monotonic() < until:
        if process.poll() is not None:
            return None
        time.sleep(min(0.01, max(0.0, until - time.monotonic())))
    while process.poll() is None:
        alive = [process.pid] if among == "parent" else children(process.pid)
        alive = [process.pid, *alive] if among == "all" else alive
        with suppress(ProcessLookupError, IndexError):
            chosen = dice.choice(alive)
            os.kill(chosen, signal.SIGKILL)
            return chosen
        time.sleep(0.01)
    return None


def kill_all(process: subprocess.Popen[str]) -> None:
    """SIGKILL to a process that `begin` began and to every descendant of it."""
    for pid in (*children(process.pid), process.pid):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.communicate()


def wait_for(condition: Callable[[], object], process: subprocess.Popen[str], seconds: float = 600.0) -> bool:
    """Wait until something is so; False if the process ended first."""
    until = time.monotonic() + seconds
    while not condition():
        if process.poll() is not None:
            return bool(condition())
        assert time.monotonic() < until, "what the test waits for did not happen"
        time.sleep(0.01)
    return True


@contextmanager
def full_disk(size: int) -> Iterator[Path]:
    """An empty disk of `size` bytes, as a folder that everybody may write to; skips where none can be mounted."""
    folder = Path(tempfile.mkdtemp(prefix="disk-"))
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=1777", "tmpfs", str(folder)]
    try:
        if not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
            pytest.skip("a small disk can be mounted by root only")
        try:
            yield folder
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], capture_output=True, check=True)
    finally:
        folder.rmdir()


def fill(folder: Path, leave: int = 0) -> Path:
    """Fill the disk that a folder is on up to `leave` bytes, with a file that may be deleted to make room again."""
    ballast = folder / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(bytes(1 << 16)):
            pass
    os.truncate(ballast, max(0, ballast.stat().st_size - leave))
    return ballast


@contextmanager
def file_limit(size: int) -> Iterator[None]:
    """Files of this process end at `size` bytes, as on a full disk: OSError with "too large"."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


@contextmanager
def no_permission(path: Path) -> Iterator[None]:
    """Nobody may read a file or enter a folder, but who overrides permissions."""
    mode = path.stat().st_mode
    path.chmod(0)
    try:
        yield
    finally:
        path.chmod(mode)


def truncate(path: Path, share: float) -> None:
    """Leave this share of a file, without replacing it: who has it open sees it as well."""
    os.truncate(path, int(path.stat().st_size * share))


def flip(path: Path, dice: random.Random, count: int = 1, begin: float = 0.0) -> None:
    """Change `count` bytes of a file in place, after this share of it."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        for _ in range(count):
            place = dice.randrange(int(size * begin), size)
            file.seek(place)
            byte = file.read(1)[0]
            file.seek(place)
            file.write(bytes([byte ^ dice.randrange(1, 256)]))


def files(folder: Path) -> list[str]:
    """All files below a folder, by their paths in it."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def leftovers(folder: Path, wanted: Sequence[str] = ()) -> list[str]:
    """What lies below a folder and should not: anything hidden, temporary or partial, and empty folders.

    `wanted` are names of hidden files or folders that may stay.
    """
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if not set(path.relative_to(folder).parts) & set(wanted)
        and (
            any(part.startswith(".") for part in path.relative_to(folder).parts)
            or path.suffix in (".part", ".tmp", ".partial")
            or (path.is_dir() and not any(path.iterdir()))
        )
    )


def commit() -> str:
    asked = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return asked.stdout.strip() or "unknown"
