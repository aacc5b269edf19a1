"""What a worker does with one video, from the file to its results in their place."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vibe.assets import keep_inputs, sha256
from vibe.batch.cleanup import claim, sweep
from vibe.batch.manifest import MOTION, OVERLAY, PAGE, RENDERS, SUMMARY, result_keys, write_json, write_summary
from vibe.batch.plan import Plan, VideoJob
from vibe.batch.report import Outcome, failed_outcome, found_outcome
from vibe.batch.storage import OutputStorage, Storage, joined, local
from vibe.cache import SUFFIX, content_key
from vibe.errors import Misuse, explain, redact
from vibe.parallel import TRIES, Worker, give_back_memory

if TYPE_CHECKING:
    from vibe.inference.config import EstimatorConfig
    from vibe.inference.estimate import Estimator
    from vibe.motion import Result

BUSY = "another run is at work on it"
EVERY = 0.1
"""Seconds between two words of progress."""


@dataclass(frozen=True)
class EstimateOptions:
    """What holds for all videos of a plan."""

    config: EstimatorConfig
    """Resolved."""
    store: OutputStorage
    keep_stages: bool = False
    again: bool = False
    """Whether what is there is to be made anew."""
    threads: int | None = None
    """That a worker computes on; None for as many as PyTorch takes."""
    devices: tuple[str, ...] = ()
    """Where workers compute, by turns; none for where the options say."""
    done: Mapping[str, str] | None = None
    """Where the results of a key are already: for videos whose content is known once they are fetched."""


class StageTimes:
    """Passes progress on, not too often, and remembers the seconds that each stage took."""

    def __init__(self, tell: Callable[[Any], None]) -> None:
        self.seconds: dict[str, float] = {}
        self._tell, self._stage = tell, ""
        self._since = self._told = time.monotonic()

    def __call__(self, stage: str, done: float, total: float | None) -> None:
        """Note that `done` of `total` units of a stage are finished; `total` is None while it is unknown."""
        now = time.monotonic()
        if stage != self._stage:
            self.stop()
            self._stage, self._told = stage, 0.0
        if now - self._told >= EVERY:
            self._told = now
            self._tell((stage, done, total))

    def stop(self) -> None:
        """End the stage that is under way."""
        now = time.monotonic()
        if self._stage:
            self.seconds[self._stage] = self.seconds.get(self._stage, 0.0) + now - self._since
        self._stage, self._since = "", now


def begin_worker(order: EstimateOptions, worker: Worker) -> Callable[[VideoJob], Outcome]:
    """Load the models; gives what works on a video."""
    import torch

    from vibe.inference.estimate import load_estimator

    if order.threads:
        torch.set_num_threads(order.threads)
    config = order.config
    if order.devices:
        config = replace(config, device=order.devices[worker.worker_id % len(order.devices)])
    sweep(order.store.scratch)
    return partial(estimate_one, order, load_estimator(config), worker)


def lost_worker(job: VideoJob, how: str) -> Outcome:
    """What came of a video over which worker after worker died."""
    return failed_outcome(
        job.source.name, f"{TRIES} workers died over it (the last {how}): if memory is short take fewer"
    )


def estimate_one(order: EstimateOptions, estimator: Estimator, worker: Worker, job: VideoJob) -> Outcome:
    """Everything that is to be done with one video; what goes wrong is an outcome too."""
    began = time.monotonic()
    clock = StageTimes(worker.send)
    outcome = _claimed(order.store, job, job.make, partial(_estimated, order, estimator, clock, job))
    return replace(outcome, seconds=time.monotonic() - began)


def copy_results(order: EstimateOptions, plan: Plan, answers: Sequence[Outcome]) -> Iterator[Outcome]:
    """What came of the videos that are the same as others: a folder each, with a copy of the other's results."""
    known = {**plan.outcomes, **{outcome.video: outcome for outcome in answers}}
    for job in plan.duplicates:
        name, original = job.source.name, known.get(job.copy_of)
        if original is None:
            continue
        why = f"the same video as {redact(job.copy_of)}"
        if original.state == "failed" or not original.files:
            yield replace(original, video=name, reason=f"{job.source.label}: {why}, {original.reason}", seconds=0.0)
        else:
            yield _claimed(order.store, job, original.files, partial(_copied, order.store, job, original, why))


def _claimed(
    store: OutputStorage, job: VideoJob, files: Sequence[str], work: Callable[[Path], Outcome | str]
) -> Outcome:
    """What came of work in a folder of its own, unless somebody else is at it; what goes wrong is an outcome too.

    `work` gives the outcome, or what there is to say of results that are there now.
    """
    results = store.name(job.place)
    try:
        for name in (*files, SUMMARY):
            if store.name(f"{job.place}/{name}") == job.source.name:
                raise Misuse(f"{job.source.label} would be overwritten by its own results: choose another folder")
            if local(job.source.name).is_file():  # a folder of pictures may hold its own results
                keep_inputs([store.folder and store.folder / job.place / name], local(job.source.name))
        claim_name = hashlib.sha256(results.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        with claim(store.scratch, claim_name) as folder:
            said = Outcome(job.source.name, "skipped", BUSY, results) if folder is None else work(folder)
        if isinstance(said, Outcome):
            return said
        there = store.look(job.place)
        assert there is not None
        return found_outcome(job.source.name, results, there, "done", said)
    except Exception as error:
        return failed_outcome(job.source.name, explain(error))


def _estimated(
    order: EstimateOptions, estimator: Estimator, clock: StageTimes, job: VideoJob, folder: Path
) -> Outcome | str:
    """The results in their place, unless somebody else has made them meanwhile."""
    store, source = order.store, job.source
    video, content = local(source.name), job.content
    if source.remote:
        clock("fetching", 0, None)
        video = folder / f"video{source.file.suffix}"
        Storage(source.name).download(video)
        content = content_key(video)
    assert content is not None
    keys = result_keys(order.config.keys(content)["result"])
    if not order.again:
        place = (order.done or {}).get(keys[MOTION], job.place) if job.content is None else job.place
        there = store.look(place)
        if there and keys[MOTION] == there.keys.get(MOTION) and set(job.make) <= set(store.whole(there)):
            if not there.stages:
                store.forget(content)
            return found_outcome(source.name, store.name(place), there)
    made = folder / "made"
    made.mkdir()
    with _stages(store.stages(content) or folder / "stages") as kept:
        stale = _make(order, estimator, clock, replace(job, content=content), video, made, keys, kept)
    store.put(made, job.place, stale)
    if not order.keep_stages:
        store.forget(content)
    return ""


def _copied(store: OutputStorage, job: VideoJob, original: Outcome, why: str, made: Path) -> str:
    """A copy of another video's results in the place of a job, with its own name in the summary."""
    for name in original.files:
        Storage(joined(original.results, name)).download(made / name)
    summary = json.loads((made / SUMMARY).read_bytes())
    summary["video"] = job.source.label
    summary["source"] |= {"path": job.source.label, "stamp": job.stamp}
    write_json(made / SUMMARY, summary)
    store.put(made, job.place, tuple(name for name in RENDERS if name not in original.files))
    return why


def _make(
    order: EstimateOptions, estimator: Estimator, clock: StageTimes, job: VideoJob, video: Path, made: Path,
    keys: Mapping[str, str], kept: Path,
) -> tuple[str, ...]:  # fmt: skip
    """Write the files of a job into a folder; gives the older ones that they make wrong."""
    before = order.store.look(job.place)
    if MOTION in job.make:
        result = estimator.estimate(video, cache=kept, progress=clock)
        if job.source.remote:
            result = replace(result, clip=replace(result.clip, path=Path(job.source.file.name)))
        clock("writing", 0, None)
        result.save(made / MOTION)
        older, spent, sums = {}, {}, {}
    else:
        assert before is not None
        result = _read(order.store, job.place, made / MOTION, before.summary)
        older = {name: size for name, size in before.bytes.items() if before.keys.get(name) == keys.get(name)}
        spent, sums = before.summary.get("seconds", {}), before.sha256
    result = _render(job.make, video, result, made, estimator, clock)
    clock.stop()
    files = {path.name: path.stat().st_size for path in sorted(made.iterdir())}
    stale = tuple(name for name in keys if before and name in before.bytes and name not in {**older, **files})
    sizes = {name: files.get(name, older.get(name)) for name in (MOTION, OVERLAY, PAGE) if name in {**older, **files}}
    origin = {
        "source": {"path": job.source.label, "sha256": job.content, "stamp": job.stamp},
        "keys": {name: keys[name] for name in sizes},
        "bytes": sizes,
        "sha256": {name: sha256(made / name) if name in files else sums[name] for name in sizes},
        "stages": order.keep_stages,
    }
    write_summary(made / SUMMARY, result, {**spent, **clock.seconds}, (*sizes, SUMMARY), origin)
    return stale


def _render(
    wanted: tuple[str, ...], video: Path, result: Result, made: Path, estimator: Estimator, clock: StageTimes
) -> Result:
    """Draw what is wanted; the result with the notes on it."""
    notes: tuple[str, ...] = ()
    if OVERLAY in wanted:
        clock("overlay", 0, None)
        from vibe.render.film import write_overlay
        from vibe.tracking.tflite import close_idle_models

        close_idle_models()
        give_back_memory()

        notes += write_overlay(video, result, made / OVERLAY, estimator.body, clock)
    if PAGE in wanted:
        clock("page", 0, None)
        from vibe.viewer.page import TooLarge, view

        try:
            view(result, made / PAGE, video, estimator.body, progress=clock)
        except TooLarge as error:
            view(result, made / PAGE, body=estimator.body)
            notes += (f"the page shows the bodies alone: {error}",)
    return replace(result, notes=tuple(dict.fromkeys(result.notes + notes)))


def _read(store: OutputStorage, place: str, path: Path, summary: Mapping[str, Any]) -> Result:
    """The motion that is there, copied to `path`, with what its summary knows beside it."""
    from vibe import motion

    Storage(store.name(f"{place}/{MOTION}")).download(path)
    result = motion.load(path)
    return replace(
        result,
        notes=tuple(map(str, summary["notes"])),
        clip=replace(result.clip, damaged=int(summary["damaged_packets"])),
        body=replace(result.body, licence=summary["body"]["licence"]),
        weights=replace(result.weights, licence=summary["weights"]["licence"]),
    )


@contextmanager
def _stages(folder: Path) -> Iterator[Path]:
    """A folder for a video's stages, without what a killed process left half-written.

    It goes if another run could make nothing of it, or the video itself is at fault, for it would see the same.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for part in folder.rglob("*.part"):
        with suppress(OSError):
            part.unlink()
    try:
        yield folder
    except BaseException as error:
        if isinstance(error, ValueError) or not any(folder.rglob("*" + SUFFIX)):
            shutil.rmtree(folder, ignore_errors=True)
        raise
