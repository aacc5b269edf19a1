"""A program: damaged files for every reader. `python tests/faults/fuzz.py --count 100000 --out build/faults`.

Each reader works in a process of its own, which is guided by coverage where atheris is installed (else, and with
`--plain`, by chance alone). Inputs that a reader fails on are kept in the folder; a table comes at the end. The same
seed gives the same inputs; readers whose inputs were all read without a fault, in the same folder and at the same
commit, are not given them again. Exit code 1 if a reader failed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
sys.path.insert(0, str(HERE.parent / "fixtures"))
sys.path.insert(0, str(HERE.parents[1] / "tools"))

HEADROOM = 1536 << 20
"""Bytes of address space that a reader's process gets beside what it has once the reader is set up."""
HANG, ASLEEP = 8.0, 120.0
"""Seconds of computing, and of anything, after which a process that does not come out of one file is killed."""
SET_UP = 300.0
"""Seconds that setting up a reader may take."""
LARGEST = 1 << 20
"""Bytes of an input, or twice those of the largest file that it was made from."""
QUIET = {"OPENCV_LOG_LEVEL": "OFF", "OMP_NUM_THREADS": "1"}
NOTHING = (b"", b"\0" * 64, random.Random(0).randbytes(500), b"nothing that any reader knows\n" * 9)
"""What no reader takes for a file of its own."""
KEPT = 20
"""Failing inputs that are kept for each reader and fault."""


@dataclass
class Tally:
    """What became of one reader's inputs so far."""

    inputs: int = 0
    refused: int = 0
    deep: int = 0
    """Past the reader's first check: read, or refused with another reason than an empty file, noise and text are."""
    slowest_s: float = 0.0
    most_mb: float = 0.0
    seconds: float = 0.0
    faults: dict[str, int] = field(default_factory=dict)

    def add_fault(self, fault: str, path: Path, kept: Path, name: str) -> None:
        """Count a fault, and keep the file."""
        self.faults[fault] = self.faults.get(fault, 0) + 1
        if self.faults[fault] <= KEPT:
            kept.mkdir(parents=True, exist_ok=True)
            number = len(list(kept.iterdir()))
            if path.exists():
                shutil.copy(path, kept / f"{number:03d}-{path.name}")
            with (kept.parent / "faults.jsonl").open("a") as file:
                file.write(
                    json.dumps({"reader": name, "file": f"{kept.name}/{number:03d}-{path.name}", "fault": fault}) + "\n"
                )


class Work:
    """One reader in this process, with a count of what it did that survives the process."""

    def __init__(self, name: str, folder: Path, kept: Path, tally: Tally) -> None:
        from faults.guard import Guard
        from faults.readers import READERS

        os.environ["VIBE_HOME"] = str(folder / "home")
        (folder / "home").mkdir()
        (folder / "files").mkdir()
        self.name, self.tally, self._kept, self._state = name, tally, kept, folder / "tally.json"
        self._limit_memory(None)
        self.targets, self._read = READERS[name].set_up(folder / "files")
        self._whole = {path: path.read_bytes() for path in self.targets}
        self.largest = max(LARGEST // 8, 2 * max(map(len, self._whole.values())))
        self._current, self._saved, self._before = folder / "current.json", time.monotonic(), tally.seconds
        self._began = time.monotonic()
        self._guard = Guard(folder)
        for path in self.targets:
            with suppress(ValueError):
                self._read(path)
            if path.name != "other.pkl" and (
                said := (verdict := self._guard.judge(self._read, path)).said or verdict.fault
            ):
                raise SystemExit(f"{path} is refused before it is damaged: {said}")
        self._limit_memory(HEADROOM)
        self._last = self.targets[0]
        self._first = {self._reason(path, given) for path in self.targets for given in NOTHING}

    def _reason(self, path: Path, given: bytes) -> str:
        """Why a reader refuses an input in this file's place, without what differs from input to input."""
        path.write_bytes(given)
        said = self._guard.judge(self._read, path).said
        path.write_bytes(self._whole[path])
        return _reason(said, path)

    def seeds(self) -> list[bytes]:
        """Whole files, each behind the number of the file that it is."""
        return [bytes([number]) + self._whole[path] for number, path in enumerate(self.targets)]

    def one(self, given: bytes) -> bool:
        """Let the reader read an input; whether it was taken."""
        path = self.targets[(given[0] if given else 0) % len(self.targets)]
        if self._last != path:
            self._last.write_bytes(self._whole[self._last])
        self._last = path
        path.write_bytes(given[1:])
        self._current.write_text(str(path))
        verdict = self._guard.judge(self._read, path)
        self._current.write_text("")
        tally = self.tally
        tally.inputs += 1
        tally.refused += verdict.refused
        tally.deep += not verdict.refused or _reason(verdict.said, path) not in self._first
        tally.slowest_s, tally.most_mb = max(tally.slowest_s, verdict.seconds), max(tally.most_mb, verdict.megabytes)
        if verdict.fault:
            path.write_bytes(given[1:])
            tally.add_fault(_short(verdict.fault, path), path, self._kept, self.name)
        if verdict.fault or time.monotonic() - self._saved > 0.5:
            self.save()
        return not verdict.refused

    def save(self) -> None:
        """Note the counts where the parent finds them."""
        self._saved = time.monotonic()
        self.tally.seconds = self._before + self._saved - self._began
        partial = self._state.with_suffix(".part")
        partial.write_text(json.dumps(asdict(self.tally)))
        partial.replace(self._state)

    def _limit_memory(self, headroom: int | None) -> None:
        import resource

        most = resource.getrlimit(resource.RLIMIT_AS)[1]

        size = int(Path("/proc/self/status").read_text().split("VmSize:")[1].split()[0]) << 10
        resource.setrlimit(resource.RLIMIT_AS, (most if headroom is None else size + headroom, most))


def _short(fault: str, path: Path) -> str:
    """The fault without what differs from input to input, so that equal ones are counted together."""
    import re

    if " at " in fault and fault.rsplit(" at ", 1)[1].count(":") == 1:
        kind, place = fault.split(":", 1)[0], fault.rsplit(" at ", 1)[1]
        said = re.sub(r"\d+", "N", fault.split(": ", 1)[-1].rsplit(" at ", 1)[0].replace(str(path), "FILE"))[:90]
        return f"{kind} at {place}: {said}"
    return re.sub(r"\d+", "N", fault)[:160]


def _reason(said: str, path: Path) -> str:
    """A refusal without names, numbers and quotations."""
    import re

    return re.sub(r"\d+|'[^']*'|\"[^\"]*\"", "", said.replace(str(path), "").replace(path.name, ""))[:90]


def by_chance(work: Work, count: int, seed: int) -> None:
    """Inputs by chance alone, from whole files and from earlier inputs that were taken."""
    from faults.mutate import mutate

    seeds = work.seeds()
    pool = list(seeds)
    while work.tally.inputs < count:
        dice = random.Random(f"{work.name} {seed} {work.tally.inputs}")
        start = dice.choice(pool if dice.random() < 0.3 else seeds)
        given = start[:1] + mutate(start[1:], dice, work.largest)
        if work.one(given) and len(pool) < 200:
            pool.append(given)


def by_coverage(work: Work, count: int, seed: int, folder: Path) -> None:
    """Inputs that libFuzzer chooses by the lines that earlier ones reached; ends the process."""
    import atheris
    from faults.mutate import mutate

    corpus = folder / "corpus"
    corpus.mkdir(exist_ok=True)
    for number, given in enumerate(work.seeds()):
        (corpus / f"{number:03d}").write_bytes(given)

    def test(given: bytes) -> None:
        work.one(given)
        if work.tally.inputs >= count:
            work.save()
            os._exit(0)

    def changed(given: bytes, most: int, number: int) -> bytes:
        dice = random.Random(number)
        if not given:
            return work.seeds()[0][:most]
        if dice.random() < 0.25:
            return atheris.Mutate(given, most)
        return (given[:1] + mutate(given[1:], dice, work.largest))[:most]

    arguments = [
        "fuzz",
        f"-seed={seed}",
        f"-max_len={work.largest}",
        "-len_control=0",
        "-rss_limit_mb=0",
        "-timeout=100000",
    ]
    arguments += [
        "-handle_int=0",
        "-handle_term=0",
        f"-artifact_prefix={folder}/",
        "-verbosity=0",
        "-print_final_stats=0",
    ]
    atheris.Setup([*arguments, str(corpus)], test, custom_mutator=changed)
    atheris.Fuzz()


def worker(name: str, count: int, seed: int, plain: bool, folder: Path, kept: Path) -> None:
    """The work of one process."""
    import logging
    import warnings

    warnings.simplefilter("ignore")
    logging.disable()
    state = folder / "tally.json"
    tally = Tally(**json.loads(state.read_text())) if state.exists() else Tally()
    for part in ("home", "files", "corpus"):
        shutil.rmtree(folder / part, ignore_errors=True)
    with nullcontext() if plain else _instrumented():
        work = Work(name, folder, kept, tally)
    if plain:
        by_chance(work, count, seed)
    else:
        by_coverage(work, count, seed + tally.inputs, folder)
    work.save()


def in_one_process(count: int, seed: int, scratch: Path, kept: Path) -> dict[str, Tally]:
    """Some inputs for every reader, by chance, in this process, without anybody who would end one that hangs."""
    from faults.readers import READERS

    whole, tallies = sum(each.share for each in READERS.values()), {}
    for number, (name, each) in enumerate(READERS.items()):
        folder = scratch / str(number)
        folder.mkdir()
        work = Work(name, folder, kept / str(number), Tally())
        by_chance(work, -(-count * each.share // whole), seed)
        tallies[name] = work.tally
    return tallies


@contextmanager
def _instrumented() -> Iterator[None]:
    """Count the lines of what is imported meanwhile; what numba compiles is imported before."""
    import atheris
    import torch  # noqa: F401

    import vibe.data.sets.insta_variety
    import vibe.render.rasterizer  # noqa: F401

    with atheris.instrument_imports(include=["vibe", "cdflib", "zipfile"], enable_loader_override=False):
        yield


def supervise(name: str, count: int, seed: int, plain: bool, scratch: Path, kept: Path) -> Tally:
    """Let a process do one reader's inputs; one that dies or hangs is a fault, and another goes on."""
    folder = scratch / name.replace("/", "-").replace(" ", "-")
    folder.mkdir()
    state, current = folder / "tally.json", folder / "current.json"
    tally, deaths = Tally(), 0
    while tally.inputs < count and deaths < 30:
        command = [
            sys.executable,
            __file__,
            "--worker",
            name,
            "--count",
            str(count),
            "--seed",
            str(seed + 1000 * deaths),
        ]
        command += ["--scratch", str(folder), "--out", str(kept), *(["--plain"] if plain else [])]
        with (folder / "said").open("w") as said:
            process = subprocess.Popen(command, stdout=said, stderr=said, cwd=folder, env={**os.environ, **QUIET})
            hung = _watch(process, current)
        tally = Tally(**json.loads(state.read_text())) if state.exists() else Tally()
        if (process.returncode or hung) and not current.exists():
            raise SystemExit(f"{name} could not be set up:\n{(folder / 'said').read_text(errors='replace')}")
        if process.returncode or hung:
            deaths += 1
            last = (folder / "said").read_text(errors="replace").strip().splitlines()[-1:] or [""]
            fault = "hangs" if hung else f"its process ends with {process.returncode}: {last[0][:100]}"
            path = Path(current.read_text() or folder / "none")
            tally.add_fault(fault, path, kept / folder.name, name)
            tally.inputs += 1
            state.write_text(json.dumps(asdict(tally)))
            current.unlink()
    return tally


def _watch(process: subprocess.Popen, current: Path) -> bool:
    """Wait for the process; whether it had to be killed, since it did not come out of one file."""
    since, computed, file = time.monotonic(), 0.0, 0
    while True:
        try:
            process.wait(1.0)
            return False
        except subprocess.TimeoutExpired:
            at_work = current.exists() and current.read_text() != ""
            now = current.stat().st_mtime_ns if at_work else 0
            if now != file:
                since, computed, file = time.monotonic(), _computed(process.pid), now
            waited, worked = time.monotonic() - since, _computed(process.pid) - computed
            if (at_work and worked > HANG) or waited > (ASLEEP if at_work else SET_UP):
                process.kill()
                process.wait()
                return True


def _computed(pid: int) -> float:
    """Seconds of the processor's that a process has had."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def table(tallies: dict[str, Tally], how: str) -> str:
    """The result, as a page of the benchmarks."""
    lines = [
        "| reader | inputs | refused | past first check | inputs a second | slowest, s | most memory, MB | faults |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, tally in tallies.items():
        rate = tally.inputs / max(tally.seconds, 1e-9)
        lines.append(
            f"| {name} | {tally.inputs} | {tally.refused / max(tally.inputs, 1):.0%} | "
            f"{tally.deep / max(tally.inputs, 1):.0%} | {rate:.0f} | "
            f"{tally.slowest_s:.2f} | {tally.most_mb:.0f} | {sum(tally.faults.values())} |"
        )
    inputs, faults = (sum(part) for part in zip(*((t.inputs, sum(t.faults.values())) for t in tallies.values())))
    seconds = sum(tally.seconds for tally in tallies.values())
    most = max(tally.most_mb for tally in tallies.values())
    slowest = max(tally.slowest_s for tally in tallies.values())
    deep = sum(tally.deep for tally in tallies.values()) / max(inputs, 1)
    lines.append(
        f"| all | {inputs} | | {deep:.0%} | {inputs / max(seconds, 1e-9):.0f} | {slowest:.2f} | {most:.0f} | {faults} |"
    )
    return "\n".join(lines) + f"\n\n{how}\n"


def main() -> int:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--count", type=int, default=100_000)
    ask.add_argument("--seed", type=int, default=1)
    ask.add_argument("--out", type=Path, default=Path("build/faults"))
    ask.add_argument("--readers", default="", help="some of them, by parts of their names, with commas between")
    ask.add_argument("--jobs", type=int, default=1, help="processes at a time; 0: all in this one, by chance")
    ask.add_argument("--plain", action="store_true")
    ask.add_argument("--table", type=Path)
    ask.add_argument("--worker", default="")
    ask.add_argument("--scratch", type=Path)
    asked = ask.parse_args()
    if asked.worker:
        worker(asked.worker, asked.count, asked.seed, asked.plain, asked.scratch, asked.out / asked.scratch.name)
        return 0
    tallies = all_readers(asked)
    plain = asked.plain or find_spec("atheris") is None
    means = "by chance alone" if plain else "guided by the lines of the readers that they reach (atheris)"
    seconds = sum(tally.seconds for tally in tallies.values())
    from faults.kit import commit

    from vibe.bench.measure import machine_name

    how = f"Damaged files, {means}, seed {asked.seed}; {seconds:.0f} s of one core or less in all."
    made = table(tallies, f"{how} Commit {commit()}; {machine_name()}.")
    sys.stdout.write(made)
    if asked.table:
        asked.table.write_text(made)
    return 1 if any(tally.faults for tally in tallies.values()) else 0


def all_readers(asked: argparse.Namespace) -> dict[str, Tally]:
    """The readers that are wanted, one after the other or several at a time; those done before are not done again."""
    from faults import kit
    from faults.readers import READERS

    place = "/dev/shm" if Path("/dev/shm").is_dir() else None
    if asked.jobs == 0:
        with tempfile.TemporaryDirectory(prefix="fuzz-", dir=place) as scratch:
            return in_one_process(asked.count, asked.seed, Path(scratch), asked.out.resolve())
    wanted = [part for part in asked.readers.split(",") if part]
    chosen = {name: each for name, each in READERS.items() if not wanted or any(part in name for part in wanted)}
    plain = asked.plain or find_spec("atheris") is None
    whole, out = sum(each.share for each in chosen.values()), asked.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    done_file = out / "done.json"
    done = json.loads(done_file.read_text()) if done_file.exists() else {}
    commit = kit.commit()
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=place) as scratch:

        def one(name: str) -> Tally:
            count = -(-asked.count * chosen[name].share // whole)
            how = [count, asked.seed, plain, commit]
            if done.get(name, {}).get("how") == how:
                return Tally(**done[name]["tally"])
            tally = supervise(name, count, asked.seed, plain, Path(scratch), out)
            said = [f"{name}: {tally.inputs} inputs, {tally.seconds:.0f} s, {sum(tally.faults.values())} faults"]
            said += [f"  {times} x {fault}" for fault, times in sorted(tally.faults.items(), key=lambda item: -item[1])]
            sys.stdout.write("\n".join(said) + "\n")
            if not tally.faults:
                done[name] = {"how": how, "tally": asdict(tally)}
                done_file.write_text(json.dumps(done))
            return tally

        with ThreadPoolExecutor(asked.jobs) as pool:
            return dict(zip(chosen, pool.map(one, chosen)))


if __name__ == "__main__":
    sys.exit(main())
