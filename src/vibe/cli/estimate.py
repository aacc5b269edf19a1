"""`vibe estimate`: everyone's motion in each video, be it one or a disk full of them; `vibe clean` takes leftovers."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import FlagCreatePairsOff, Positional, arg

from vibe.cli.console import DONE, FAILED, print_error, print_info, print_table, usage_error
from vibe.cli.progress import ProgressLine, ProgressTable, deferred_interrupt
from vibe.errors import one_line
from vibe.inference.config import EstimatorConfig

if TYPE_CHECKING:
    from vibe.batch.plan import Plan, VideoJob
    from vibe.batch.report import Outcome
    from vibe.batch.storage import OutputStorage
    from vibe.batch.work import EstimateOptions
    from vibe.inference.estimate import Estimator


VIDEOS = arg(metavar="VIDEO|DIR|PATTERN|LIST|URL [...]", help_behavior_hint="(required)")
AS_USUAL = EstimatorConfig()
READS_KEYPOINTS = arg(help_behavior_hint="(default with weights that read keypoints)")
READS_IMAGES = arg(help_behavior_hint="(default with weights that read images)")
TABLE = ("video", "state", "people", "frames", "seconds", "results")
WORKERS = arg(metavar="N", help_behavior_hint="(default: one a core, if memory allows)")


def estimate(
    videos: Annotated[Positional[tuple[str, ...]], VIDEOS],
    /,
    out: Annotated[str, arg(aliases=["-o"], metavar="OUT")] = "out",
    overlay: bool = True,
    page: Annotated[FlagCreatePairsOff[bool], arg(help_behavior_hint="")] = False,
    refine: Annotated[FlagCreatePairsOff[bool], READS_KEYPOINTS] = False,
    no_refine: Annotated[FlagCreatePairsOff[bool], READS_IMAGES] = False,
    method: Annotated[EstimatorConfig, arg(name="")] = AS_USUAL,
    workers: Annotated[int | None, WORKERS] = None,
    ray: Annotated[str | None, arg(metavar="ADDRESS", help_behavior_hint="")] = None,
    again: Annotated[FlagCreatePairsOff[bool], arg(help_behavior_hint="")] = False,
    keep_stages: Annotated[FlagCreatePairsOff[bool], arg(help_behavior_hint="")] = False,
    together: Annotated[FlagCreatePairsOff[bool], arg(help_behavior_hint="")] = False,
) -> int:
    """Find everyone in each video and write their 3D motion in SMPL's format.

    Writes OUT/<name of the video>/motion.npz, overlay.mp4 and summary.json, and prints a table of the people.
    Several videos are shared out among workers; one that fails does not stop the others. At the end a table says what
    was done, skipped and failed, and so do OUT/report.csv and OUT/report.json. What is there already and would come out
    the same is skipped; a run that was killed goes on where it was.

    Exit code: 0 done (also if nobody was in view), 1 a video failed, 2 wrong usage, 130 interrupted.

    Args:
        videos: Files in any format that FFmpeg reads, folders of them, patterns such as "clips/**/*.mp4" in quotes, a
            .txt file with one of these a line, or URLs such as s3://bucket/clips.
        out: Folder for the results, or a URL; made if absent. Results of the same name are replaced.
        overlay: Draw the bodies over the video, with its size, frame rate and sound.
        page: Write page.html too, which plays the motion in any browser, as `vibe view` does.
        refine: Fit the motion to the 2D keypoints after the network; slower, closer to the picture.
        no_refine: Take the network's answer as it is.
        workers: Processes for several videos, or with --ray actors.
        ray: Address of a Ray cluster that shares the work, whose machines see the same files; `local` starts one here.
        again: Do also what is there already.
        keep_stages: Keep the stages of the work in OUT/.vibe, so that other settings repeat only what they change.
        together: The videos show the same people, each by a camera that stands still: one motion of them all.
    """
    if not videos:
        return usage_error("no video: give one file or more, as in `vibe estimate clip.mp4 -o out`")
    if workers is not None and workers < 1:
        return usage_error(f"there can't be {workers} workers: choose 1 or more")
    if together:
        return _views(videos, out, method, (refine, no_refine), overlay, page, keep_stages)
    files = ["motion.npz", *(["overlay.mp4"] if overlay else []), *(["page.html"] if page else [])]
    try:
        config = method_config(method, refine, no_refine)
        order, plan = _prepare(videos, out, config, files, ray, again, keep_stages)
        estimator = None
        if plan.jobs:  # what is wrong with a model is found before the work
            with _uncollected():
                from vibe.inference.estimate import load_estimator

            estimator = load_estimator(order.config)
    except (ValueError, OSError, ImportError) as error:
        return usage_error(one_line(error))
    with _tidied(order.store):
        for content in () if keep_stages else plan.finished:
            order.store.forget(content)
        return _one(plan, order, estimator) if len(plan.order) == 1 else _many(plan, order, workers, ray)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Nothing is looked through for garbage while modules are read, nor later what they hold: all of it stays."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _views(videos: Sequence[str], out: str, method: EstimatorConfig, refined: tuple[bool, bool], *rest: bool) -> int:
    from vibe.cli.together import estimate_views

    try:
        return estimate_views(videos, out, method_config(method, *refined), *rest)
    except ValueError as error:
        return usage_error(one_line(error))


def method_config(method: EstimatorConfig, refine: bool, no_refine: bool) -> EstimatorConfig:
    """What the flags ask for; raises ValueError for some that exclude each other."""
    if no_refine and (refine or method.fitting):
        raise ValueError(f"--no-refine excludes {'--refine' if refine else '--fitting'}: give one of them")
    if method.prior and method.fitting != "paper":
        raise ValueError("--prior is for the paper's fit: give --fitting paper as well")
    return replace(method, refine=False if no_refine else refine or None)


def _prepare(
    videos: Sequence[str], out: str, config: EstimatorConfig, files: Sequence[str], ray: str | None, again: bool,
    keep_stages: bool,
) -> tuple[EstimateOptions, Plan]:  # fmt: skip
    """What is to be done, found without a model. Raises ValueError, OSError."""
    from vibe.assets import keep_inputs
    from vibe.batch.plan import make_plan
    from vibe.batch.sources import find_videos
    from vibe.batch.storage import OutputStorage, absolute
    from vibe.batch.work import EstimateOptions

    store = OutputStorage(out)
    sources = find_videos(videos, out)
    reports = [store.name(name) for name in ("report.csv", "report.json")]
    # A folder may hold its own results, and be named again: of the pictures in it none is called so.
    files_read = (source.name for source in sources if Path(source.name).is_file())
    keep_inputs(reports, *files_read, config.weights, config.body, config.camera_file)
    if ray is not None:
        sources = [replace(source, name=absolute(source.name)) for source in sources]
        store = OutputStorage(absolute(out))
    if keep_stages and store.stages("") is None:
        raise ValueError(f"--keep-stages keeps them in a folder: leave it out, or choose one with -o in place of {out}")
    config = config.resolved()
    if "page.html" in files:
        from vibe.viewer.page import page_template

        page_template()
    order = EstimateOptions(config, store, keep_stages, again)
    with ProgressLine(out) as progress:
        told = progress if len(sources) > 1 else None
        plan = make_plan(sources, store, lambda content: config.keys(content)["result"], files, again, told)
    with _tidied(store):
        store.probe([job.place for job in plan.jobs], files)
    return replace(order, done=plan.done), plan


@contextmanager
def _tidied(store: OutputStorage) -> Iterator[None]:
    """Nothing that is half-written and no empty folder of ours is left afterwards."""
    new = store.absent()
    try:
        yield
    finally:
        with suppress(OSError):
            from vibe.batch.cleanup import sweep

            sweep(store.scratch)
        store.tidy()
        for folder in new:
            with suppress(OSError):
                folder.rmdir()


def _one(plan: Plan, order: EstimateOptions, estimator: Estimator | None) -> int:
    from vibe.batch.work import estimate_one
    from vibe.parallel import run_tasks

    video = plan.order[0]
    with ProgressLine(Path(video).name) as progress, deferred_interrupt() as pause:

        def show(worker_id: int, number: int, message: Any) -> None:
            pause()
            progress(*message)

        answers: list[Outcome] = []
        if estimator:
            begin = lambda worker: partial(estimate_one, order, estimator, worker)  # noqa: E731
            answers = [answer for _, answer in run_tasks(begin, plan.jobs, on_message=show)]
    (outcome,) = plan.complete(answers)
    if outcome.state == "failed":
        print_error(outcome.reason)
        return FAILED
    _people(outcome)
    if outcome.state == "done":
        print_info(f"written to {outcome.results}: {', '.join(outcome.files)}")
    else:
        print_info(f"{outcome.label}: {outcome.reason}, in {outcome.results}; --again does it anew")
    _licences([outcome])
    return DONE


def _many(plan: Plan, order: EstimateOptions, workers: int | None, ray: str | None) -> int:
    from vibe.batch.report import count_states, report_csv, report_json
    from vibe.batch.work import copy_results

    before = count_states(list(plan.outcomes.values()))
    names = [job.source.file.name for job in plan.jobs]
    answers: list[Outcome] = []
    try:
        with ProgressTable(names, len(plan.order), before["skipped"], before["failed"]) as board:
            for number, answer in _shared_out(plan.jobs, order, workers, ray, board) if plan.jobs else ():
                answers.append(answer)
                board.finished(number, answer)
            answers += copy_results(order, plan, answers)
    finally:
        outcomes = plan.complete(answers)
        try:  # the results count more than the report
            order.store.write("report.csv", report_csv(outcomes))
            order.store.write("report.json", report_json(outcomes))
        except OSError as error:
            print_error(f"the report could not be written: {one_line(error)}")
    _table(outcomes, order.store)
    _licences(outcomes)
    failures = [outcome.reason for outcome in outcomes if outcome.state == "failed"]
    if failures:
        print_error(f"{len(failures)} of {len(outcomes)} videos failed:", *(f"  {failure}" for failure in failures))
    return FAILED if failures else DONE


def _shared_out(
    jobs: Sequence[VideoJob], order: EstimateOptions, workers: int | None, ray: str | None, board: ProgressTable
) -> Iterator[tuple[int, Outcome]]:
    """What came of each job, by its number, as workers finish them."""
    from vibe.batch.work import begin_worker, lost_worker
    from vibe.batch.workers import available_cores, usual_devices, usual_workers
    from vibe.parallel import run_tasks

    count = workers or usual_workers(len(jobs))
    device = order.config.device
    gpus = float(str(device).startswith("cuda"))
    order = replace(order, threads=1 if ray else max(1, available_cores() // count))
    if ray is None:
        order = replace(order, devices=usual_devices(device))
    begin = partial(begin_worker, order)
    return run_tasks(begin, jobs, count, ray, gpus, on_message=board.show, on_lost=lost_worker)


def _table(outcomes: Sequence[Outcome], store: OutputStorage) -> None:
    """What came of each video, and the counts."""
    from vibe.batch.report import count_states

    rows = []
    for each in outcomes:
        counts = ("", "") if each.state in ("failed", "left") else (len(each.rows), each.frames)
        place = each.results.removeprefix(store.name("")).lstrip("/\\")
        rows.append((Path(each.label).name, each.state, *counts, f"{each.seconds:.1f}", place))
    print_table(dict(zip(TABLE, ("left", "left", "right", "right", "right", "left"))), rows)
    print_info(", ".join(f"{number} {state}" for state, number in count_states(outcomes).items()))
    print_info(f"written to {store.name('report.csv')} and {store.name('report.json')}")


def _people(outcome: Outcome) -> None:
    """The table of people and the notes."""
    name = Path(outcome.label).name
    rows = (
        (row["person"], row["frames"], f"{row['coverage']:.0%}", f"{row['confidence']:.2f}") for row in outcome.rows
    )
    if outcome.rows:
        headings = ("person", "frames", "share of video", "keypoint confidence")
        print_table(dict.fromkeys(headings, "right"), rows, name)
    else:
        print_info(f"{name}: nobody was found in view")
    if outcome.world:
        print_info(f"world: {outcome.world}")
    for note in outcome.notes:
        print_info(f"note: {note}")


def _licences(outcomes: Sequence[Outcome]) -> None:
    """What weights and bodies may be used for, once each."""
    for licence in sorted({licence for outcome in outcomes for licence in outcome.licences}):
        print_info(licence)


def clean(
    out: Annotated[Positional[Path], arg(metavar="[OUT]")] = Path("out"),
    /,
    dry_run: Annotated[FlagCreatePairsOff[bool], arg(help_behavior_hint="")] = False,
    yes: Annotated[FlagCreatePairsOff[bool], arg(aliases=["-y"], help_behavior_hint="")] = False,
) -> int:
    """Remove kept stages, and what killed runs left, from a folder of results.

    Says what there is and how large it is, asks, and removes it. Results stay: motion.npz, overlay.mp4, page.html,
    summary.json and whatever else is there. Without the stages another run begins anew; nothing else is lost.

    Exit code: 0 done, 1 a run is at work in the folder or something could not be removed, 2 wrong usage.

    Args:
        out: The folder that `vibe estimate -o OUT` wrote to.
        dry_run: Only say what would be removed.
        yes: Don't ask.
    """
    from vibe.batch.cleanup import leftovers, remove, size

    if not out.is_dir():
        return usage_error(f"{out} is no folder: give the one that `vibe estimate -o OUT` wrote to")
    kinds = leftovers(out)
    for what, paths in kinds.items():
        if paths:
            print_info(f"{what}: {len(paths)}, {size(paths) / 1e6:.1f} MB")
    found = [path for paths in kinds.values() for path in paths]
    if not found:
        print_info(f"nothing to remove in {out}")
        return DONE
    if dry_run:
        print_info("nothing was removed: leave --dry-run out to remove it")
        return DONE
    if not yes:
        if not sys.stdin.isatty():
            return usage_error("nobody is here to ask: give --yes to remove it, or --dry-run to only look")
        if input("Remove it? [y/N] ").strip().lower() not in ("y", "yes"):
            print_info("nothing was removed")
            return DONE
    freed = size(found)
    remove(out, found)
    print_info(f"removed, {freed / 1e6:.1f} MB")
    return DONE
