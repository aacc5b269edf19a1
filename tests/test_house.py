"""The house's rules, read from the source: which way imports point, how large things are, what nobody does."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "vibe"
GROUND = (
    "errors",
    "records",
    "skeletons",
    "rotations",
    "parallel",
    "cameras",
    "assets",
    "video",
    "body",
    "motion",
    "cache",
)
ROOMS = ("tracking", "features", "models", "refine", "export", "render", "viewer")
CORRIDOR = ("inference",)
WINGS = ("data", "synthetic", "evaluate", "train", "batch", "live", "bench")
ORDER = (*GROUND, *ROOMS, *CORRIDOR, *WINGS, "cli", "__main__")
FILES = sorted(SOURCE.rglob("*.py"))
BANNED_NAMES = {"utils", "common", "core", "lib", "helpers", "misc"}
BANNED_TEXT = {
    r"\bsys\.path\b": "the search path is nobody's business",
    r"strict\s*=\s*False": "weights load whole or not at all",
    r"^\s*(import|from) (pickle|joblib|dill)\b|allow_pickle\s*=\s*True": "a pickle runs code",
    r"torch\.load\((?![^)]*weights_only=True)": "torch.load runs code unless weights_only=True",
    r"except\s*:": "catches everything, Ctrl-C too",
    r"^\s*(import|from) torchvision\b": "torchvision replaces torch by another build",
    r"^\s*(import|from) (smplx|chumpy)\b": "not free",
    r"\bTODO\b|\bFIXME\b|\bXXX\b": "unfinished",
    r"#\s*type:\s*ignore(?!\[)|#\s*noqa(?!:)": "silences more than it says",
    r"\.cuda\(": "devices come from the inputs",
}


def name(file: Path) -> str:
    return file.relative_to(SOURCE).as_posix()


def room(file: Path) -> str:
    return file.relative_to(SOURCE).with_suffix("").parts[0]


def imported(tree: ast.AST) -> Iterator[str]:
    """What stands after `vibe.` in each import, wherever in the file it is."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and (node.module or "").split(".")[0] == "vibe":
            below = (node.module or "").split(".")[1:]
            yield from below[:1] or [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".")[1] for alias in node.names if alias.name.startswith("vibe."))


def is_allowed(here: str, there: str) -> bool:
    """Whether a file of `here` may import from `there`: upstream, and never from one room into another."""
    if there == here or there not in ORDER:
        return there == here or there.startswith("__")
    return ORDER.index(there) < ORDER.index(here) and not (here in ROOMS and there in ROOMS)


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


each_file = pytest.mark.parametrize("file", FILES, ids=name)


@each_file
def test_imports_point_upstream_and_rooms_do_not_meet(file):
    if file == SOURCE / "__init__.py":
        return
    tree = parsed(file)
    here = room(file)
    assert here in ORDER, f"{here} has no place in the house yet: give it one in ORDER"
    assert [there for there in imported(tree) if not is_allowed(here, there)] == []
    assert not any(isinstance(node, ast.ImportFrom) and node.level for node in ast.walk(tree)), "relative import"


def test_the_rules_refuse_what_they_should():
    assert is_allowed("tracking", "cameras")
    assert is_allowed("inference", "tracking")
    assert is_allowed("train", "evaluate")
    assert not is_allowed("tracking", "export")
    assert not is_allowed("records", "cameras")
    assert not is_allowed("refine", "inference")
    assert not is_allowed("models", "train")
    assert list(imported(ast.parse("import vibe.cli\nfrom vibe.body import load\nfrom vibe import video"))) == [
        "cli",
        "body",
        "video",
    ]


@each_file
def test_a_file_has_at_most_400_lines_and_a_function_60(file):
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 400
    long = [node.name for node in functions(parsed(file)) if (node.end_lineno or 0) - node.lineno + 1 > 60]
    assert long == []


@each_file
def test_a_file_says_what_it_is_for(file):
    tree = parsed(file)
    assert not tree.body or ast.get_docstring(tree)


@each_file
def test_a_public_function_has_types(file):
    untyped = []
    for node in functions(parsed(file)):
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        bare = [given.arg for given in arguments if given.annotation is None and given.arg not in ("self", "cls")]
        if not node.name.startswith("_") and (node.returns is None or bare):
            untyped.append(node.name)
    assert untyped == []


@each_file
def test_only_the_command_line_prints(file):
    calls = [node.func for node in ast.walk(parsed(file)) if isinstance(node, ast.Call)]
    prints = [call for call in calls if isinstance(call, ast.Name) and call.id == "print"]
    assert not prints or room(file) == "cli"


@each_file
def test_nobody_does_what_the_house_does_not_do(file):
    text = file.read_text(encoding="utf-8")
    found = [why for pattern, why in BANNED_TEXT.items() if re.search(pattern, text, re.MULTILINE)]
    assert found == []


def test_no_name_says_nothing():
    tests = Path(__file__).parent.rglob("*.py")
    assert [file for file in [*FILES, *tests] if file.stem in BANNED_NAMES or file.parent.name in BANNED_NAMES] == []


def loaded_by(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds after a statement."""
    program = f"import sys\n{statement}\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("statement", ["import vibe", "import vibe.cli"])
def test_the_front_door_opens_without_anything_heavy(statement):
    heavy = {"torch", "numpy", "scipy", "cv2", "av", "numba", "roma", "ai_edge_litert", "jaxtyping"}
    assert loaded_by(statement) & heavy == set()


IMPORTS_EVERYTHING = """
import importlib, logging, os, socket, sys, threading

def closed(*_, **__):
    raise AssertionError("a socket was opened by an import")

def state():
    return dict(os.environ), logging.root.handlers[:], torch.get_num_threads(), threading.active_count()

socket.socket.connect = closed
sys.modules["torchvision"] = None
import torch, av, cv2, numba, roma, safetensors.torch, scipy.optimize, ai_edge_litert.interpreter
before = state()
for name in sys.argv[1:]:
    importlib.import_module(name)
assert state() == before, "an import changed the environment, the log or the threads"
print("ok")
"""


def test_importing_every_module_needs_neither_network_nor_torchvision_and_starts_nothing():
    modules = [".".join(("vibe", *file.relative_to(SOURCE).with_suffix("").parts)) for file in FILES]
    names = [module.removesuffix(".__init__") for module in modules]
    command = [sys.executable, "-c", IMPORTS_EVERYTHING, *names]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.endswith("ok\n"), done.stderr


def test_nothing_that_we_install_asks_for_torchvision():
    """Follows the requirements of what is installed, without the extras that nobody asked for."""
    seen: set[str] = set()
    waiting = ["vibe"]
    while waiting:
        package = waiting.pop().lower().replace("_", "-")
        if package in seen:
            continue
        seen.add(package)
        try:
            wanted = metadata.requires(package) or []
        except metadata.PackageNotFoundError:
            continue
        needed = [line for line in wanted if package == "vibe" or "extra ==" not in line]
        waiting += [found.group() for line in needed if (found := re.match(r"[A-Za-z0-9._-]+", line))]
    assert {"torch", "numpy", "rich"} <= seen
    assert "torchvision" not in seen
