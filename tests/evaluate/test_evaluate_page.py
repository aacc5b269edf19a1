"""What the page on evaluation promises is what the code does."""

import re
from pathlib import Path

import pytest

from vibe import cli
from vibe.evaluate.metrics import AUC_MM, PCK_MM, SLOWEST
from vibe.evaluate.protocols import PROTOCOLS, Protocol
from vibe.evaluate.scores import COVERAGE, JOINTS, METRICS
from vibe.evaluate.tables import heading

PAGE = (Path(__file__).parents[2] / "docs" / "evaluate.md").read_text(encoding="utf-8")
TRUTH = {"points": "the set's joints", "gendered": "SMPL of their gender", "neutral": "neutral SMPL"}


def cells(section: str) -> list[list[str]]:
    """The rows below a heading's first table head."""
    lines = PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")][2:]


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
def test_the_page_tells_each_protocol_as_it_is(protocol: Protocol) -> None:
    [row] = [row for row in cells("Protocols") if row[0] == f"`{protocol.name}`"]
    also = ", ".join(heading(name) for name in protocol.metrics if name not in JOINTS) or "-"
    told = [f"`{protocol.store}`", protocol.says, TRUTH[protocol.truth], protocol.frames, also, protocol.source]
    assert row[1:] == told


def test_the_page_defines_every_heading_in_its_order() -> None:
    assert [row[0] for row in cells("What is measured")] == [heading(name) for name in (*METRICS, COVERAGE)]
    assert f"within {PCK_MM:.0f} mm" in PAGE and f"slower than {SLOWEST} m/s" in PAGE
    assert f"{len(AUC_MM)} thresholds from {AUC_MM[0]} to {AUC_MM[-1]} mm" in PAGE


def test_every_option_of_the_page_is_in_the_help(capsys) -> None:
    assert cli.main(["evaluate", "--help"]) == 0
    text = capsys.readouterr().out
    options = set(re.findall(r"--[a-z-]+", PAGE)) - {"---"}
    assert len(options) > 6 and [option for option in options if option not in text] == []
