"""What the architecture tests look at: the files, rooms and functions of this repository."""

import ast
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import grimp

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / "src" / "lilong"
FLOORS = ("foundation", "platforms")


@dataclass(frozen=True, slots=True)
class Source:
    """One Python file: its path in the repository, its text and its syntax tree."""

    path: str
    text: str
    tree: ast.Module

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        """Yield every function and method, nested ones too."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node

    def imports(self) -> Iterator[str]:
        """Yield what it imports as `module` or `module.name`."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield from (f"{node.module}.{alias.name}" for alias in node.names)

    def calls(self) -> Iterator[str]:
        """Yield what it calls, as written: `open`, `time.sleep`."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                yield ast.unparse(node.func)


def parse(*, path: str, text: str) -> Source:
    """Return a file as the checks see it."""
    return Source(path=path, text=text, tree=ast.parse(text))


@cache
def list_sources(*folders: str) -> tuple[Source, ...]:
    """Return the Python files below these folders of the repository; raises AssertionError where there is none."""
    paths = [path for folder in folders for path in sorted((REPOSITORY / folder).rglob("*.py"))]
    sources = [
        parse(path=path.relative_to(REPOSITORY).as_posix(), text=path.read_text(encoding="utf-8")) for path in paths
    ]
    assert sources or not any((REPOSITORY / folder).exists() for folder in folders)
    return tuple(sources)


def list_rooms() -> list[str]:
    """Return the rooms that hold more than their name: `foundation.record`, …"""
    folders = [folder for floor in FLOORS for folder in sorted((PACKAGE / floor).iterdir()) if folder.is_dir()]
    return [
        f"{folder.parent.name}.{folder.name}"
        for folder in folders
        if any(path.name != "__init__.py" for path in folder.rglob("*.py"))
    ]


def read_room_order() -> list[str]:
    """Return all rooms, earliest first, as the import contracts in pyproject.toml order them."""
    contracts = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    layers = {
        contract["containers"][0]: contract["layers"]
        for contract in contracts["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers"
    }
    return [f"{floor}.{layer.strip('()')}" for floor in FLOORS for layer in reversed(layers[f"lilong.{floor}"])]


@cache
def build_graph() -> grimp.ImportGraph:
    """Return who imports whom, outside packages included."""
    return grimp.build_graph("lilong", include_external_packages=True, cache_dir=None)
