"""How a source tree is built: files and their importers, names, circles, what is reached and what start-up loads.

    python tools/house_figures.py --after . [--before DIR] [--table FILE]

Each DIR holds `src/vibe`. The table is Markdown, a column a tree. tests/test_house.py reads the same functions.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median

OLD_CORRIDOR = ("pipeline", "method", "roster", "following", "evidence", "sections", "pages", "reading", "network",
                "prior", "finishing")  # fmt: skip
"""The method before it had a folder."""
PARAMETERS = re.compile(r"'\S+ (.* )?(24 3 3|joint 3 3|24 3|72|69)'")
"""Shapes of SMPL's rotations with an axis in front of them."""
PARAMETER_NAMES = {"rotmat", "pose", "poses", "body_pose", "global_orient"}
TRIES = 3
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
Name = tuple[str, str]
"""A module and what it defines."""


@dataclass(frozen=True)
class Module:
    """One file of the package."""

    name: str
    path: Path
    text: str
    tree: ast.Module

    @property
    def lines(self) -> int:
        """Length of the file."""
        return len(self.text.splitlines())

    @property
    def is_package(self) -> bool:
        """Whether it stands for its folder."""
        return self.path.name == "__init__.py"

    @property
    def definitions(self) -> list[Definition]:
        """Public functions and classes."""
        return [node for node in self.tree.body if isinstance(node, Definition) and not node.name.startswith("_")]


class SourceTree:
    """All files of the package in a folder."""

    def __init__(self, root: Path) -> None:
        """`root` holds src/vibe."""
        self.source = root / "src"

    @cached_property
    def modules(self) -> dict[str, Module]:
        """By their names."""
        paths = sorted((self.source / "vibe").rglob("*.py"))
        return {module.name: module for module in (self.read(path) for path in paths)}

    def read(self, path: Path) -> Module:
        """A file of the package, or a program beside it."""
        inside = path.is_relative_to(self.source)
        name = ".".join(path.relative_to(self.source if inside else path.parents[1]).with_suffix("").parts)
        name = name.removesuffix(".__init__")
        text = path.read_text(encoding="utf-8")
        return Module(name, path, text, ast.parse(text))

    def imports(self, tree: ast.AST) -> Iterator[tuple[str, str | None, str]]:
        """Each import of the package anywhere in a file: module, name within it or None, name in the file."""
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "vibe":
                for alias in node.names:
                    below = f"{node.module}.{alias.name}"
                    module, name = (below, None) if below in self.modules else (str(node.module), alias.name)
                    yield module, name, alias.asname or alias.name
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    if alias.name.split(".")[0] == "vibe":
                        yield alias.name, None, alias.asname or alias.name

    @cached_property
    def imported(self) -> dict[str, list[tuple[str, str | None, str]]]:
        """The imports of each module."""
        return {name: list(self.imports(module.tree)) for name, module in self.modules.items()}

    @cached_property
    def importers(self) -> dict[str, set[str]]:
        """Which modules import each."""
        found: dict[str, set[str]] = {name: set() for name in self.modules}
        for module in self.modules.values():
            for there, _, _ in self.imported[module.name]:
                if there in found and there != module.name:
                    found[there].add(module.name)
        return found

    @cached_property
    def defined(self) -> dict[str, list[str]]:
        """Where each public name of a function or class is defined."""
        found: dict[str, list[str]] = {}
        for module in self.modules.values():
            for node in module.definitions:
                found.setdefault(node.name, []).append(module.name)
        return found

    def circles(self) -> list[list[str]]:
        """Groups of modules that import one another, directly or not; the package's lazy front door left out."""
        after: dict[str, set[str]] = {name: set() for name in self.modules if name != "vibe"}
        for name in after:
            for importer in self.importers[name] - {"vibe"}:
                after[importer].add(name)
        reach = {name: _reached(after, [name]) - {name} for name in after}
        groups = {tuple(sorted({name, *(other for other in reach[name] if name in reach[other])})) for name in after}
        return [list(group) for group in sorted(groups) if len(group) > 1]

    def parameter_classes(self) -> list[str]:
        """Classes with a field of their own for SMPL's rotations over time or over any leading axis."""
        return [
            f"{module.name}.{node.name}"
            for module in self.modules.values()
            for node in module.definitions
            if isinstance(node, ast.ClassDef) and any(_holds_parameters(field) for field in node.body)
        ]

    def unreached(self, programs: Iterable[Path]) -> list[str]:
        """Public functions and classes that neither a command, nor the front door, nor one of the programs reaches."""
        uses = {name: _Uses(self, module) for name, module in self.modules.items()}
        roots: set[Name] = {("vibe.__main__", ""), ("vibe", ""), ("vibe.cli.app", "main")}
        for there, name, _ in self.imported["vibe"]:
            roots.add((there, name or ""))
        for program in programs:
            tree = ast.parse(program.read_text(encoding="utf-8"))
            outside = _Uses(self, Module("", program, "", tree))
            roots |= {name for node in tree.body for name in outside.of(node)}
        edges = {name: uses[name[0]].names[name[1]] for name in
                 ((module, inner) for module in uses for inner in uses[module].names)}  # fmt: skip
        reached = _reached(edges, roots)
        return [
            f"{module.name}.{node.name}"
            for module in self.modules.values()
            for node in module.definitions
            if (module.name, node.name) not in reached
        ]


class _Uses:
    """What the statements of a module refer to; the name "" stands for those that run when it is imported."""

    def __init__(self, house: SourceTree, module: Module) -> None:
        self._house, self._module = house, module
        self._modules: dict[str, str] = {}
        self._imported: dict[str, Name] = {}
        for there, name, here in house.imports(module.tree):
            if name is None:
                self._modules[here] = there
            else:
                self._imported[here] = there, name
        self._local = {name for node in module.tree.body for name in _bound(node)}
        self.names: dict[str, set[Name]] = {"": set()}
        for node in module.tree.body:
            names = _bound(node)
            for name in names or [""]:
                self.names.setdefault(name, set()).update(self.of(node))
                self.names[name].add((module.name, ""))
        for here, there in self._imported.items():
            self.names.setdefault(here, set()).update({there, (there[0], "")})

    def of(self, tree: ast.AST) -> set[Name]:
        """Names of the package that a piece of source refers to."""
        found: set[Name] = set()
        bases = {node.value for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in self._modules:
                module = self._modules[node.value.id]
                found |= {(module, ""), (module, node.attr)}
                if node.attr == "__file__":  # run as a program
                    found |= self._all_of(module)
            elif isinstance(node, ast.Name) and node.id in self._modules and node not in bases:
                found |= self._all_of(self._modules[node.id])
            elif isinstance(node, ast.Name) and node.id in self._imported:
                found |= {self._imported[node.id], (self._imported[node.id][0], "")}
            elif isinstance(node, ast.Name) and node.id in self._local:
                found.add((self._module.name, node.id))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):  # an annotation in quotes
                found |= {(self._module.name, word) for word in self._local.intersection(node.value.split())}
        return found

    def _all_of(self, module: str) -> set[Name]:
        """What a module defines, where the module itself is handed on."""
        return {(module, ""), *((module, each.name) for each in self._house.modules[module].definitions)}


def _bound(node: ast.stmt) -> list[str]:
    """The names that a statement of a module defines."""
    if isinstance(node, Definition):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return [name.id for target in targets if target for name in ast.walk(target) if isinstance(name, ast.Name)]


def _reached(after: dict, roots: Iterable) -> set:
    """All that can be reached along edges, roots included."""
    seen, waiting = set(roots), list(roots)
    while waiting:
        for there in after.get(waiting.pop(), ()):
            if there not in seen:
                seen.add(there)
                waiting.append(there)
    return seen


def _holds_parameters(field: ast.stmt) -> bool:
    if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
        return False
    return field.target.id in PARAMETER_NAMES and bool(PARAMETERS.search(ast.unparse(field.annotation)))


def loaded(root: Path, statement: str) -> tuple[set[str], float]:
    """Modules that a fresh interpreter holds after a statement, and the least seconds that the statement took."""
    program = (
        f"import sys, time\nbegan = time.perf_counter()\n{statement}\nprint(time.perf_counter() - began, *sys.modules)"
    )
    seconds, names = [], set()
    for _ in range(TRIES):
        command = [sys.executable, "-c", program]
        environment = {**os.environ, "PYTHONPATH": str(root.resolve() / "src")}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        first, *names = done.stdout.split()
        seconds.append(float(first))
    return set(names), min(seconds)


def figures(root: Path) -> dict[str, str]:
    """What is printed of one tree."""
    house = SourceTree(root)
    lengths = [module.lines for module in house.modules.values() if not module.is_package]
    corridor = [module for name, module in house.modules.items() if _in_corridor(name) and not module.is_package]
    front, seconds = loaded(root, "import vibe")
    method = "vibe.inference.estimate" if "vibe.inference" in house.modules else "vibe.pipeline"
    method_loads, method_seconds = loaded(root, f"import {method}")
    return {
        "files": str(len(house.modules)),
        "lines": f"{sum(module.lines for module in house.modules.values()):,}",
        "median file, lines": f"{median(lengths):.0f}",
        "longest file, lines": str(max(lengths)),
        "files of under 40 lines": str(sum(length < 40 for length in lengths)),
        "files with one importer": str(sum(len(each) == 1 for each in house.importers.values())),
        "public names defined in more than one file": str(sum(len(where) > 1 for where in house.defined.values())),
        "groups of files that import in a circle": str(len(house.circles())),
        "files of the corridor (the method)": f"{len(corridor)} ({sum(module.lines for module in corridor):,} lines)",
        "classes that hold SMPL's rotations over time": str(len(house.parameter_classes())),
        "public definitions that no command reaches": str(len(house.unreached(sorted((root / "tools").glob("*.py"))))),
        "`import vibe`, s": f"{seconds:.3f}",
        "`import vibe` loads torch": "yes" if "torch" in front else "no",
        "the method alone, s": f"{method_seconds:.2f}",
        "our files that the method loads": str(sum(name.split(".")[0] == "vibe" for name in method_loads)),
    }


def _in_corridor(name: str) -> bool:
    return name.startswith("vibe.inference.") or name.removeprefix("vibe.") in OLD_CORRIDOR


def main() -> None:
    """Print the table, or write it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for column in ("before", "after"):
        parser.add_argument(f"--{column}", type=Path, metavar="DIR", help="a source tree")
    parser.add_argument("--table", type=Path, metavar="FILE", help="where the table is written; else it is printed")
    options = parser.parse_args()
    columns = {name: figures(root) for name in ("before", "after") if (root := getattr(options, name))}
    if not columns:
        parser.error("give a tree with --after, and another with --before")
    rows = ["| | " + " | ".join(columns) + " |", "| --- |" + " ---: |" * len(columns)]
    rows += [f"| {what} | " + " | ".join(each[what] for each in columns.values()) + " |"
             for what in next(iter(columns.values()))]  # fmt: skip
    if options.table:
        options.table.write_text("\n".join(rows) + "\n", encoding="utf-8")
    else:
        sys.stdout.write("\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
