"""`vibe app`: a page for those who do not type commands."""

from __future__ import annotations

from contextlib import closing, suppress
from pathlib import Path
from typing import Annotated

from tyro.conf import FlagCreatePairsOff, Positional, arg

from vibe.cli.console import DONE, print_note, usage_error
from vibe.cli.progress import ended_by_signals
from vibe.errors import one_line
from vibe.inference.config import EstimatorConfig

FOLDER = arg(metavar="FOLDER", help_behavior_hint="(default: vibe-app in your home folder)")
AS_USUAL = EstimatorConfig()


def app(
    folder: Annotated[Positional[Path | None], FOLDER] = None,
    /,
    port: Annotated[int, arg(metavar="PORT")] = 8766,
    no_browser: Annotated[FlagCreatePairsOff[bool], arg(help_behavior_hint="")] = False,
    method: Annotated[EstimatorConfig, arg(name="")] = AS_USUAL,
) -> int:
    """Open a page in the browser where videos are dropped, and results are played and downloaded.

    Nothing leaves this machine. The page is served on 127.0.0.1 alone, to those who have the address that is printed.
    Videos and results stay in FOLDER; what is under way when the program ends goes on when it is started again.

    Exit code: 0 done (by Ctrl-C), 1 the folder can't be used, 2 wrong usage.

    Args:
        folder: Where videos and results are kept; made if absent.
        port: Where the page is served; 0 takes any that is free.
        no_browser: Don't open the browser.
    """
    from vibe.app.correct import Correcting
    from vibe.app.jobs import JobFolder
    from vibe.app.server import AppServer
    from vibe.app.work import Runner
    from vibe.assets.paths import only_writer
    from vibe.auth import browser_at

    if not 0 <= port <= 65535:
        return usage_error(f"--port is {port}: give 0 to 65535")
    try:
        method.resolved()
    except (ValueError, OSError, ImportError) as error:  # what is wrong with a model is found before the work
        return usage_error(one_line(error))
    folder = folder or Path.home() / "vibe-app"
    folder.mkdir(parents=True, exist_ok=True)
    with only_writer(folder):
        jobs = JobFolder(folder.absolute())
        with closing(Runner(jobs, method)) as runner, closing(Correcting(jobs, method)) as correcting:
            server = AppServer(jobs, runner, correcting, port)
            print_note(f"page: {server.address}")
            print_note(f"videos and results: {jobs.root}; Ctrl-C ends it")
            with suppress(KeyboardInterrupt), ended_by_signals(), browser_at(server.address, not no_browser):
                server.run()
    return DONE
