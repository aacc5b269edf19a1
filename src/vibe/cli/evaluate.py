"""`vibe evaluate`: errors of weights where the truth is known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from rich.console import Console
from tyro.conf import FlagCreatePairsOff, Positional, arg

from vibe.cli.meter import Meter
from vibe.cli.say import DONE, refuse, say


def evaluate(
    protocol: Annotated[Positional[str], arg(metavar="{open-benchmark,real}")],
    /,
    data: Annotated[Path, arg(metavar="DIR")],
    weights: Annotated[str | None, arg(metavar="NAME|PATH", help_behavior_hint="(default: open)")] = None,
    no_refine: Annotated[FlagCreatePairsOff[bool], arg(help_behavior_hint="")] = False,
    smooth: Literal["none", "light", "strong", "one-euro"] = "light",
    table: Annotated[Path | None, arg(metavar="FILE.md", help_behavior_hint="")] = None,
    json: Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="")] = None,
) -> int:
    """Measure the errors of weights where the truth is known.

    Prints a table: the network alone, then with the fit and the smoothing that follow it; PA-MPJPE, MPJPE, per-vertex
    and acceleration error, over named joints, with the frames counted. The same numbers every time.

    Args:
        protocol: open-benchmark (the folder that `vibe prepare open-benchmark` made) or real (the balancing clip).
        data: Folder of the protocol's data.
        weights: A name, or a .safetensors file.
        no_refine: Leave the fit to the keypoints out.
        smooth: How much jitter to take out after the network.
        table: Write the table here, too (Markdown).
        json: Write all scores here, those of single clips too.
    """
    from vibe.assets import write_whole
    from vibe.evaluate.protocols import PROTOCOLS
    from vibe.evaluate.scores import systems
    from vibe.evaluate.tables import as_json, markdown
    from vibe.network import load_network

    if protocol not in PROTOCOLS:
        return refuse(f"no protocol is called {protocol}: choose one of {', '.join(PROTOCOLS)}")
    network = load_network(weights)
    with Meter(Console(stderr=True), protocol) as meter:
        report = PROTOCOLS[protocol](data, network, systems(not no_refine, smooth), meter)
    text = markdown(report)
    for path, content in ((table, text), (json, as_json(report))):
        if path is not None:
            write_whole(path, content.encode())
    say(Console(), text)
    return DONE
