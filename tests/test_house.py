"""The house: no module imports from a later stage, and none in a circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import anchorline

ROOT = Path(anchorline.__file__).parent
# In order; a row may import what stands above it, and its own.
STAGES = (
    ("anchorline.errors", "anchorline.version"),
    ("anchorline.metric",),
    ("anchorline.engine",),
    ("anchorline.constraints",),
    ("anchorline.suites",),
    ("anchorline.encoders",),
    ("anchorline.methods",),
    ("anchorline.training",),
    ("anchorline.metrics",),
    ("anchorline.detectors",),
    ("anchorline.classifier",),
    ("anchorline.evaluation",),
    ("anchorline.registry",),
    ("anchorline.report",),
    (
        "anchorline.tasks.comparison",
        "anchorline.tasks.claiming",
        "anchorline.tasks.facts",
        "anchorline.tasks.readable",
    ),
    ("anchorline.tasks.classification",),
    ("anchorline.tasks.segmentation", "anchorline.tasks.continual"),
    ("anchorline.experiments",),
    ("anchorline.cli",),
)
ENTRANCES = ("anchorline", "anchorline.__main__", "anchorline.tasks")  # which hold no code of a stage

Graph = Mapping[str, set[str]]


def imports_of(root: Path) -> dict[str, set[str]]:
    """What each module imports of its own package, within functions and for types alike, by dotted name."""
    files = {name_of(root, file): file for file in root.rglob("*.py")}
    return {name: set(_imported(file, files)) - {name} for name, file in files.items()}


def name_of(root: Path, file: Path) -> str:
    parts = file.relative_to(root.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported(file: Path, known: Mapping[str, Path]) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module in known:
            for alias in node.names:
                module = f"{node.module}.{alias.name}"
                yield module if module in known else node.module


def backward(graph: Graph) -> list[str]:
    """A sentence for each import from a later stage."""
    found = []
    for name, imported in graph.items():
        if name in ENTRANCES:
            continue
        found += [
            f"{name} imports {other}, which is later"
            for other in sorted(imported)
            if other == "anchorline" or (other not in ENTRANCES and stage(other) > stage(name))
        ]
    return found


def stage(name: str) -> int:
    """The place of a module's stage."""
    for number, names in enumerate(STAGES):
        if any(name == one or name.startswith(f"{one}.") for one in names):
            return number
    raise AssertionError(f"{name} stands in no room; give it one in STAGES")


def circle(graph: Graph) -> list[str]:
    """Modules that import each other in a circle, from one back to itself; empty where there is none."""
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return []
        for other in sorted(graph.get(name, ())):
            if found := walk(other, [*path, name]):
                return found
        done.add(name)
        return []

    return next((found for name in sorted(graph) if (found := walk(name, []))), [])


@pytest.fixture(scope="module")
def house() -> dict[str, set[str]]:
    return imports_of(ROOT)


def test_no_import_runs_back(house):
    assert backward(house) == []


def test_there_is_no_circle(house):
    assert " -> ".join(circle(house)) == ""


def test_few_files_stand_at_the_top():
    assert {file.stem for file in ROOT.glob("*.py")} == {
        "__init__", "__main__", "errors", "metric", "registry", "version",
    }  # fmt: skip


def test_the_checks_find_what_is_wrong(tmp_path):
    root = tmp_path / "anchorline"
    for name, text in {
        "__init__": "",
        "errors": "",
        "engine/__init__": "",
        "engine/a": "from anchorline.engine import b\n",
        "engine/b": "def f():\n    from anchorline.engine.a import x\n",
        "metrics/__init__": "from anchorline.errors import UserError\n",
        "suites/__init__": "import typing\nif typing.TYPE_CHECKING:\n    import anchorline.metrics\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / f"{name}.py").write_text(text)
    graph = imports_of(root)
    assert backward(graph) == ["anchorline.suites imports anchorline.metrics, which is later"]
    assert circle(graph) == ["anchorline.engine.a", "anchorline.engine.b", "anchorline.engine.a"]
    assert circle({**graph, "anchorline.engine.b": set()}) == []


def test_tests_share_what_lies_in_helpers_alone():
    """No test module imports another, so that each can be moved, renamed and run on its own."""
    tests = Path(__file__).parent
    for file in tests.rglob("test_*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "tests":
                room = (node.module or "").split(".")[1:2]
                assert room in (["helpers"], ["contracts"]), (
                    f"{file.relative_to(tests)} imports {node.module}"
                )
