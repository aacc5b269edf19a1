"""Judges what a reader does with a file: what it raises, how long it takes, how much memory, and what it starts."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import CodeType

SECONDS, MEGABYTES = 5.0, 1024
"""What one file may take at most; seconds of the processor's, for the machine may be busy with other things."""
REFUSALS = (ValueError, OSError, ImportError)
LONGEST = 1500
"""Characters of a complaint."""
RUNS = ("os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty", "os.startfile",
        "subprocess.Popen", "pty.spawn", "socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo",
        "socket.gethostbyname", "pickle.find_class", "ctypes.dlopen", "shutil.move", "os.symlink", "os.link",
        "os.chmod", "os.chown", "os.putenv", "webbrowser.open", "urllib.Request", "http.client.connect")  # fmt: skip
"""What Python announces before it runs, loads or reaches for something."""
CHANGES = {"shutil.rmtree", "os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.truncate"}
"""What it announces before it changes the disk; allowed in the scratch folder."""


class Hang(BaseException):
    """Raised in a reader that takes too long."""


@dataclass(frozen=True)
class Verdict:
    """What became of one file."""

    fault: str
    """What was wrong with the reader; empty if it read the file or refused it as it should."""
    refused: bool
    seconds: float
    megabytes: float
    """More than before."""
    said: str


class Guard:
    """Watches one process; nothing may be changed outside of the `scratch` folder while a reader works."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = os.path.realpath(scratch)
        self._seen: list[str] = []
        self._armed = False
        sys.addaudithook(self._announced)

    def judge(self, read: Callable[[Path], object], path: Path) -> Verdict:
        """Let a reader read one file."""
        self._seen.clear()
        before, began, refused, fault, said = reset_peak(), time.process_time(), False, "", ""
        signal.signal(signal.SIGPROF, _hang)
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        self._armed = True
        try:
            read(path)
        except REFUSALS as error:
            refused, fault, said = True, complaint(error, path), sentence(error)
        except Hang:
            fault = "takes longer than 5 s"
        except BaseException as error:
            fault = f"{type(error).__name__}: {str(error)[:200]} at {where(error)}"
        finally:
            self._armed = False
            signal.setitimer(signal.ITIMER_PROF, 0)
        seconds, megabytes = time.process_time() - began, peak() - before
        if self._seen:
            fault = f"runs or changes something: {self._seen[0]}"
        elif seconds > SECONDS:
            fault = f"takes {seconds:.1f} s"
        elif megabytes > MEGABYTES:
            fault = f"takes {megabytes:.0f} MB"
        return Verdict(fault, refused, seconds, megabytes, said)

    def _announced(self, event: str, arguments: tuple) -> None:
        if not self._armed:
            return
        if event in RUNS and not _importing():
            self._seen.append(f"{event} {str(arguments)[:100]}")
        elif event == "exec" and not _importing():
            code = arguments[0]
            name = code.co_filename if isinstance(code, CodeType) else "text"
            if not Path(name).exists():
                self._seen.append(f"exec of {name}")
        elif event == "open" and _writes(arguments) and not self._inside(arguments[0]):
            self._seen.append(f"open for writing {arguments[0]!r}")
        elif event in CHANGES and not self._inside(arguments[0]):
            self._seen.append(f"{event} {arguments[0]!r}")

    def _inside(self, path: object) -> bool:
        if isinstance(path, int):
            return True
        real = os.path.realpath(os.fsdecode(path))  # pyright: ignore[reportArgumentType]
        return real.startswith(self._scratch + os.sep) or real == os.devnull


def _writes(arguments: tuple) -> bool:
    _, mode, flags = arguments
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR))


def _importing() -> bool:
    """Whether an import statement is at work, which runs the code of what is installed."""
    frame = sys._getframe(2)
    while frame is not None:
        if frame.f_globals.get("__name__") == "importlib._bootstrap":
            return True
        frame = frame.f_back
    return False


def _hang(*_: object) -> None:
    raise Hang


def sentence(error: Exception) -> str:
    """What the user is told."""
    from vibe.errors import one_line

    return one_line(error)


def complaint(error: Exception, path: Path) -> str:
    """What is wrong with what a reader says when it refuses a file; empty if nothing is."""
    text = sentence(error)
    if not text or len(text) > LONGEST:
        return f"does not say it in one sentence: {type(error).__name__}: {text[:200]!r} at {where(error)}"
    if path.name not in text and path.stem not in text:
        return f"does not name the file: {type(error).__name__}: {text[:200]!r} at {where(error)}"
    return ""


def where(error: BaseException) -> str:
    """The line of ours that the error came from."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if f"{os.sep}vibe{os.sep}" in frame.filename] or frames
    return f"{Path(ours[-1].filename).name}:{ours[-1].lineno}"


def reset_peak() -> float:
    """Forget the largest memory so far; what is in use, megabytes."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return peak()
    return _status("VmRSS")


def peak() -> float:
    """The largest memory since the last reset, megabytes."""
    return _status("VmHWM")


def _status(name: str) -> float:
    return int(Path("/proc/self/status").read_text().split(f"{name}:")[1].split()[0]) / 1024
