"""The house's laws, read from the source: which way imports point, how large things are, what nobody does.

What does not keep a law yet stands in `house_exceptions.EXCEPTIONS`, a list that may only get shorter.
"""

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, get_args

import pytest
from house_exceptions import EXCEPTIONS

from house_figures import Module, SourceTree

SOURCE = Path(__file__).parents[1] / "src" / "vibe"
GROUND = (
    "errors",
    "auth",
    "arrays",
    "records",
    "skeletons",
    "rotations",
    "overlap",
    "parallel",
    "cameras",
    "distortion",
    "calibration",
    "assets",
    "video",
    "body",
    "motion",
    "cache",
)
ROOMS = ("edits", "tracking", "features", "models", "refine", "world", "views", "export", "render", "viewer")
CORRIDOR = ("inference",)
WINGS = ("convert", "data", "synthetic", "evaluate", "train", "batch", "live", "editing", "app", "bench")
ORDER = (*GROUND, *ROOMS, *CORRIDOR, *WINGS, "cli", "__main__")
ROOT = SOURCE.parents[1]
HOUSE = SourceTree(ROOT)
FILES = sorted(SOURCE.rglob("*.py"))
MOST_LOADED = 80
"""Files of ours that `vibe.inference.estimate` may load."""
SMALL = {
    "bench/mediapipe_pose.py": "a program for another Python, which has MediaPipe",
    "body/mesh.py": "the one jit that numba's users share",
}
"""Files under 40 lines, each with its reason; records, data sets and the fronts of folders need none."""
NUMBERS = {
    "data/pictures.py": "bytes of a PNG header",
    "data/sets/bvh.py": "frames a second",
    "data/sets/human36m.py": "bytes of a CDF header",
    "synthetic/examples.py": "frames, one second of them",
    "video/lens.py": "a kind of number in QuickTime's metadata",
}
"""Where 23, 24 or 69 count something else than SMPL's joints."""
CHOICES = {
    "vibe.export.formats.Facing": "vibe.motion.scene.AXES",
    "vibe.export.formats.RigName": "vibe.export.rigs.RIGS",
    "vibe.export.formats.Root": "vibe.motion.scene.ROOTS",
    "vibe.export.formats.Space": "vibe.motion.series.SPACES",
    "vibe.export.formats.Unit": "vibe.export.bvh.UNITS",
    "vibe.export.formats.Up": "vibe.motion.scene.R_SCENE_CAM",
    "vibe.inference.config.FittingName": "vibe.refine.presets.FITTINGS",
    "vibe.inference.config.Quality": "vibe.inference.config.POSE_MODELS",
    "vibe.inference.config.Runtime": "vibe.features.runtimes.RUNTIMES",
    "vibe.inference.config.Smooth": "vibe.refine.presets.SMOOTHING",
}
"""Names of a choice as a type, and the dict whose keys they are."""
STEPS = ("predict", "refine")
"""Of the method's files, those that others may not call by hand: they call `estimate_track`."""
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
    for module, name, _ in HOUSE.imports(tree):
        yield [*module.split(".")[1:], name or "__init__"][0]


def is_allowed(here: str, there: str) -> bool:
    """Whether a file of `here` may import from `there`: upstream, and never from one room into another."""
    if there == here or there not in ORDER:
        return there == here or there.startswith("__")
    return ORDER.index(there) < ORDER.index(here) and not (here in ROOMS and there in ROOMS)


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


REASON = re.compile(r"#(?!\s*(fmt|noqa|pyright|type):)")


def all_functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Every function of the package with its place."""
    for module in HOUSE.modules.values():
        yield from ((f"{module.name}.{node.name}", node) for node in functions(module.tree))


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or 0) - node.lineno + 1


def strings(node: ast.expr) -> frozenset:
    """The strings of a sequence; empty if it holds anything else."""
    values = [getattr(each, "value", None) for each in getattr(node, "elts", [node])]
    return frozenset(values) if all(isinstance(value, str) for value in values) else frozenset()


def attribute(name: str) -> Any:
    module, _, inner = name.rpartition(".")
    return getattr(importlib.import_module(module), inner)


def writes(tree: ast.AST) -> bool:
    """Whether a file is written somewhere in a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            modes = [each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
            if called in ("write_whole", "write_bytes", "write_text", "save", "savez", "save_file", "tofile"):
                return True
            if called == "open" and any(
                re.fullmatch(r"[rwax+bt]+", mode) and set(mode) & set("wax+") for mode in modes
            ):
                return True
    return False


def is_joint_count(module: Module, node: ast.AST) -> bool:
    """Whether an integer is 23, 24 or 69, and no power of two's exponent."""
    if not isinstance(node, ast.Constant) or type(node.value) is not int or node.value not in (23, 24, 69):
        return False
    return "<< " + str(node.value) not in module.text.splitlines()[node.lineno - 1]


def travels(module: Module, node: ast.AST) -> bool:
    """Whether a definition is a frozen record that another folder imports."""
    if not isinstance(node, ast.ClassDef) or not any(
        "frozen=True" in ast.unparse(each) for each in node.decorator_list
    ):
        return False
    importers = {
        room(other.path)
        for other in HOUSE.modules.values()
        for _, name, _ in HOUSE.imported[other.name]
        if name == node.name and other.name != "vibe"
    }
    return bool(importers - {room(module.path)})


def keep(law: str, offenders: Iterable[str]) -> None:
    """Fail if something breaks a law that is no exception yet, or if an exception does not apply any more."""
    offenders, exceptions = set(offenders), set(EXCEPTIONS.get(law, ()))
    assert sorted(offenders - exceptions) == [], f"these break the law: {law}"
    assert sorted(exceptions - offenders) == [], f"these keep it now, take them off EXCEPTIONS[{law!r}]"


def test_imports_point_upstream_and_rooms_do_not_meet():
    wrong = []
    for module in HOUSE.modules.values():
        if module.name == "vibe":
            continue
        here = room(module.path)
        assert here in ORDER, f"{here} has no place in the house yet: give it one in ORDER"
        wrong += [f"{module.name}: {there}" for there in imported(module.tree) if not is_allowed(here, there)]
        wrong += [
            f"{module.name}: relative import"
            for node in ast.walk(module.tree)
            if isinstance(node, ast.ImportFrom) and node.level
        ]
    keep("imports point upstream", wrong)


def test_files_form_no_circle():
    keep("no circle", [" ".join(group) for group in HOUSE.circles()])


def test_the_rules_refuse_what_they_should():
    assert is_allowed("tracking", "cameras")
    assert is_allowed("inference", "tracking")
    assert is_allowed("train", "evaluate")
    assert not is_allowed("tracking", "export")
    assert not is_allowed("records", "cameras")
    assert not is_allowed("refine", "inference")
    assert not is_allowed("models", "train")
    source = "import vibe.cli\nfrom vibe.body import load\nfrom vibe import video"
    assert list(imported(ast.parse(source))) == ["cli", "body", "video"]


def test_a_public_class_is_defined_once_and_a_function_twice_only_as_command_and_verb():
    wrong = []
    for name, modules in HOUSE.defined.items():
        is_command = name[0].islower() and len(modules) == 2 and sum(m.startswith("vibe.cli.") for m in modules) == 1
        if len(modules) > 1 and not is_command:
            wrong.append(f"{name}: {' '.join(sorted(modules))}")
    keep("defined once", wrong)


def test_every_public_definition_is_reached_from_a_command_the_front_door_or_a_tool():
    keep("reached", HOUSE.unreached(sorted((ROOT / "tools").glob("*.py"))))


def test_a_file_has_40_to_400_lines():
    records = ("__init__.py", "__main__.py", "record.py", "records.py")
    free = {path for path in FILES if path.name in records or "sets" in path.parts}
    lines = {module.path: module.lines for module in HOUSE.modules.values()}
    small = {name(path) for path in FILES if path not in free and lines[path] < 40}
    assert sorted(set(SMALL) - small) == [], "these are not small any more: take them off SMALL"
    keep("size of a file", (small - set(SMALL)) | {name(path) for path in FILES if lines[path] > 400})


def test_a_function_has_at_most_60_lines():
    keep("size of a function", (place for place, node in all_functions() if length(node) > 60))


def test_a_file_says_what_it_is_for():
    keep(
        "docstring of a file", (m.name for m in HOUSE.modules.values() if m.tree.body and not ast.get_docstring(m.tree))
    )


def test_a_public_function_has_types():
    untyped = []
    for place, node in all_functions():
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        bare = [each.arg for each in arguments if each.annotation is None and each.arg not in ("self", "cls")]
        if not node.name.startswith("_") and (node.returns is None or bare):
            untyped.append(place)
    keep("types", untyped)


def test_only_the_command_line_prints():
    keep(
        "prints",
        (
            module.name
            for module in HOUSE.modules.values()
            for node in ast.walk(module.tree)
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print" and room(module.path) != "cli"
        ),
    )


def test_nobody_does_what_the_house_does_not_do():
    wrong = []
    for module in HOUSE.modules.values():
        wrong += [
            f"{module.name}: {why}"
            for pattern, why in BANNED_TEXT.items()
            if re.search(pattern, module.text, re.MULTILINE)
        ]
    keep("banned text", wrong)


def test_a_long_function_of_the_mathematics_gives_a_reason():
    rooms = ("refine", "models", "body", "render", "world")
    wrong = []
    for module in HOUSE.modules.values():
        lines = module.text.splitlines()
        for node in functions(module.tree):
            comments = [line for line in lines[node.lineno : node.end_lineno] if REASON.search(line)]
            docstring = len((ast.get_docstring(node) or "").splitlines())
            if room(module.path) in rooms and length(node) - docstring > 25 and not comments:
                wrong.append(f"{module.name}.{node.name}")
    keep("reasons", wrong)


def test_names_of_a_choice_are_written_once():
    """A `Literal` stands in one place, and no other sequence repeats its names."""
    literals: dict[frozenset, list[str]] = {}
    sequences: dict[frozenset, list[str]] = {}
    for module in HOUSE.modules.values():
        inside = set()
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Subscript) and getattr(node.value, "id", "") == "Literal":
                inside.add(node.slice)
                literals.setdefault(strings(node.slice), []).append(module.name)
            elif isinstance(node, ast.Tuple | ast.List | ast.Set) and node not in inside:
                sequences.setdefault(strings(node), []).append(module.name)
    wrong = []
    for names, modules in literals.items():
        repeated = modules + sequences.get(names, [])
        if len(names) > 1 and len(repeated) > 1:
            wrong.append(f"{' '.join(sorted(names))}: {' '.join(sorted(repeated))}")
    keep("a choice is written once", wrong)


@pytest.mark.parametrize("literal", CHOICES)
def test_the_names_of_a_choice_are_the_keys_of_its_dict(literal):
    assert set(get_args(attribute(literal))) == set(attribute(CHOICES[literal]))  # pyright: ignore[reportArgumentType]


def test_only_the_cache_writes_what_a_stage_keeps():
    rooms = ("tracking", "features", "models", "refine", "world", "inference")
    keep("only the cache writes", (m.name for m in HOUSE.modules.values() if room(m.path) in rooms and writes(m.tree)))


def test_only_overlap_blends():
    blending = re.compile(r"def \w*(blend|overlap_add|crossfade)(?!er)|\b(hann|hamming|bartlett)\w*\(")
    keep(
        "only overlap blends",
        (m.name for m in HOUSE.modules.values() if blending.search(m.text) and name(m.path) != "overlap.py"),
    )


def test_the_numbers_of_joints_stand_in_skeletons_alone():
    counting = {m.name for m in HOUSE.modules.values() if any(is_joint_count(m, node) for node in ast.walk(m.tree))}
    elsewhere = {".".join(("vibe", *Path(file).with_suffix("").parts)) for file in NUMBERS}
    assert sorted(elsewhere - counting) == [], "these hold no such number: take them off NUMBERS"
    keep("numbers of joints", counting - elsewhere - {"vibe.skeletons"})


def test_product_evaluation_and_benchmarks_call_the_same_method():
    users = [m for m in HOUSE.modules.values() if room(m.path) not in ("inference", "tracking")]
    users += [HOUSE.read(path) for path in sorted((ROOT / "benchmarks").glob("*.py"))]
    wrong = set()
    for module in users:
        for there, _, _ in HOUSE.imports(module.tree):
            if there.removeprefix("vibe.inference.") in STEPS:
                wrong.add(f"{module.name}: {there}")
    keep("one way to the motion", wrong)


def test_every_package_and_record_has_a_line_in_the_glossary():
    folders = {path.parent.relative_to(SOURCE).as_posix() for path in FILES if path.name == "__init__.py"} - {"."}
    records = {node.name for module in HOUSE.modules.values() for node in module.definitions if travels(module, node)}
    glossary = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `([^`]+)`", glossary, re.MULTILINE))
    wanted = {f"{folder}/" for folder in folders} | records
    assert sorted(wanted - named) == [], "docs/glossary.md has no line for these"
    assert sorted(named - wanted) == [], "docs/glossary.md has lines for what there is not"


def test_no_name_says_nothing():
    tests = Path(__file__).parent.rglob("*.py")
    assert [file for file in [*FILES, *tests] if file.stem in BANNED_NAMES or file.parent.name in BANNED_NAMES] == []


def loaded_by(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds after a statement."""
    program = f"import sys\n{statement}\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_an_estimate_never_loads_torch_s_compiler():
    code = """
import sys, torch
from vibe.body.load import load_body
from vibe.body.keypoint_regressor import joints_and_keypoints
from vibe.models.network import load_network
from vibe.records import SmplParams
from vibe.refine.smplify import fit
load_network("open")
body, still = load_body(), torch.eye(3).expand(4, 24, 3, 3).clone()
start = SmplParams(still, torch.zeros(10), torch.tensor([[0.0, 0.0, 4.0]]).repeat(4, 1))
K = torch.tensor([[500.0, 0, 200], [0, 500, 200], [0, 0, 1]])
points = torch.rand(4, 17, 3) * 300 + 50
fit(start, points.clamp(max=1.0).where(torch.arange(3) == 2, points), K, torch.arange(4.0) / 30,
    lambda rotmat, betas: joints_and_keypoints(body, rotmat, betas, "detected27"))
print(sorted({"torch._dynamo", "sympy"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_method_loads_few_files_and_no_converter():
    program = "import sys, vibe.inference.estimate\nprint(*(name for name in sys.modules if name.startswith('vibe')))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    keep("no converter is loaded", (name for name in loaded if name.startswith("vibe.export")))
    keep("few files are loaded", [f"more than {MOST_LOADED}"] if len(loaded) > MOST_LOADED else [])


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
    waiting = ["vibe-motion"]
    while waiting:
        package = waiting.pop().lower().replace("_", "-")
        if package in seen:
            continue
        seen.add(package)
        try:
            wanted = metadata.requires(package) or []
        except metadata.PackageNotFoundError:
            continue
        needed = [line for line in wanted if package == "vibe-motion" or "extra ==" not in line]
        waiting += [found.group() for line in needed if (found := re.match(r"[A-Za-z0-9._-]+", line))]
    assert {"torch", "numpy", "rich"} <= seen
    assert "torchvision" not in seen
