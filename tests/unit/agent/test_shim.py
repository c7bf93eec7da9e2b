"""The wrapper travels to machines that may have nothing but an old Python: this is checked on its syntax tree.

So is the helper of a Slurm pool, which runs on login nodes of the same age.
"""

import ast
import builtins
import sys
from pathlib import Path, PurePosixPath

import pytest

from lilong.agent.engines.rank import accelerators, journal, shim, supervise, watch
from lilong.agent.engines.slurm import hostile_folder, job_helper
from lilong.agent.engines.slurm.assembly import place_wrapper

MODULES = (shim, supervise, accelerators, journal, watch, hostile_folder, job_helper)
FILES = [Path(module.__file__ or "") for module in MODULES]
PYTHONS = [("with", sys.executable), ("without", "/no/python")]
GENERIC_BUILTINS = {name for name in dir(builtins) if name.islower()}


def list_annotations(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation is not None:
            yield node.annotation
        if isinstance(node, ast.FunctionDef) and node.returns is not None:
            yield node.returns


def is_too_new(annotation):
    return any(
        (isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr))
        or (isinstance(node, ast.Subscript) and getattr(node.value, "id", "") in GENERIC_BUILTINS)
        for node in ast.walk(annotation)
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_wrapper_is_written_in_the_syntax_of_python_3_6(path):
    tree = ast.parse(path.read_text(), feature_version=(3, 6))

    assert not [ast.unparse(annotation) for annotation in list_annotations(tree) if is_too_new(annotation)]


@pytest.mark.parametrize("text", ["x: int | None = 1", "def f(x: dict[str, int]): ...", "def f() -> list[int]: ..."])
def test_an_annotation_that_is_too_new_is_found(text):
    assert [annotation for annotation in list_annotations(ast.parse(text)) if is_too_new(annotation)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_wrapper_imports_the_standard_library_alone(path):
    tree = ast.parse(path.read_text())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    beside = {
        "supervise",
        "accelerators",
        "journal",
        "watch",
        "hostile_folder",
    }  # under their full names for type checkers only
    names = {name for name in names if not name.startswith("lilong.agent.engines.")}

    assert {name.split(".")[0] for name in names - beside} <= sys.stdlib_module_names


def read_log(tmp_path, chunks, *, limit=1000, secrets=()):
    log = journal.Log(str(tmp_path / "log"), limit, list(secrets))
    for chunk in chunks:
        log.feed(chunk)
    log.feed(b"", final=True)
    return (tmp_path / "log").read_bytes()


@pytest.mark.parametrize("cut", range(1, 24))
def test_a_secret_is_masked_however_it_is_cut_into_chunks(tmp_path, cut):
    text = b"a topsecret value topsec!"

    assert read_log(tmp_path, [text[:cut], text[cut:]], secrets=[b"topsecret"]) == b"a *** value topsec!"


def test_of_two_secrets_the_longer_is_masked_whole(tmp_path):
    assert read_log(tmp_path, [b"abcdefgh abcd"], secrets=[b"abcd", b"abcdefgh"]) == b"*** ***"


def test_a_log_is_cut_at_its_limit_with_a_mark_and_only_once(tmp_path):
    log = read_log(tmp_path, [b"x" * 60] * 50, limit=100)

    assert log.startswith(b"x" * 100 + b"\n[lilong: the log limit of 100 bytes")
    assert len(log) < 200


def test_the_wrapper_is_placed_compiled_where_that_can_be(tmp_path):
    placed = [place_wrapper(shared_folder=tmp_path / name, python=PurePosixPath(python)) for name, python in PYTHONS]

    compiled = [{path.name.partition(".")[0] for path in one.parent.glob("__pycache__/*.pyc")} for one in placed]
    assert compiled == [{"shim", "supervise", "accelerators", "journal", "watch"}, set()]
    assert placed[0].name == placed[1].name == "shim.py"
