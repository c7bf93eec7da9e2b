"""Functions that others call take named, typed arguments, and no boolean that switches what they do."""

import ast
import importlib
import inspect

import pytest

from tests.architecture.house import PACKAGE, Source, list_rooms, list_sources, parse

FUNCTIONS_AT_A_DOOR = 10


def find_loose_signatures(source: Source) -> list[str]:
    """Return the public functions of a module that break the rule, each with why."""
    found = []
    for function in source.tree.body:
        if not isinstance(function, ast.FunctionDef) or function.name.startswith("_"):
            continue
        where, given = f"{source.path}:{function.lineno} {function.name}", function.args
        if given.args or given.posonlyargs or given.vararg:
            found.append(f"{where} takes positional arguments")
        if given.kwarg:
            found.append(f"{where} takes any argument")
        for argument in given.kwonlyargs:
            annotation = ast.unparse(argument.annotation) if argument.annotation else ""
            if not annotation:
                found.append(f"{where}: {argument.arg} has no type")
            if "bool" in annotation.replace("|", " ").split():
                found.append(f"{where}: {argument.arg} switches behaviour")
    return found


def test_services_queries_and_doors_take_named_arguments_only():
    asked = [
        source
        for source in list_sources("src/lilong/foundation", "src/lilong/platforms")
        if {"services.py", "queries.py", "public.py", "services", "queries"} & set(source.path.split("/"))
    ]

    assert not [line for source in asked for line in find_loose_signatures(source)]


@pytest.mark.parametrize(
    "signature", ["(actor)", "(actor, *, now: datetime)", "(*, now)", "(**options: str)", "(*, force: bool)"]
)
def test_a_loose_signature_is_found(signature):
    assert find_loose_signatures(parse(path="services.py", text=f"def place_order{signature}: ..."))


def test_a_tight_signature_passes():
    text = "def place_order(*, actor: Actor, now: datetime) -> str: ...\ndef _inner(actor, flag: bool): ..."

    assert not find_loose_signatures(parse(path="services.py", text=text))


def test_a_door_has_at_most_ten_functions():
    for room in list_rooms():
        folder = PACKAGE / room.replace(".", "/")
        for path in [folder / "public.py", *sorted((folder / "public").glob("*.py"))]:
            if path.exists():
                module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")
                public = vars(importlib.import_module(f"lilong.{module}"))
                functions = [name for name, value in public.items() if inspect.isfunction(value) and name[0] != "_"]
                assert len(functions) <= FUNCTIONS_AT_A_DOOR, (module, sorted(functions))
