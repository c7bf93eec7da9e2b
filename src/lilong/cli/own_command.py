"""How to call this very `lilong` again: a line that works as it stands where it is shown."""

import shlex
import shutil
from pathlib import Path


def find_own_command(*, python: Path, folder: Path, search_path: str | None = None) -> str:
    """Return what a shell in `folder` takes for the `lilong` of the interpreter `python`, quoted.

    Its bare name where that is found, in `search_path` or by default in PATH; else where it lies, relative to `folder`
    if inside of it. An installation may have put the program elsewhere: then the interpreter runs it as a module.
    """
    program = python.with_name("lilong")
    if not program.exists():
        return f"{_show(python, folder)} -m lilong.cli.main"
    found = shutil.which("lilong", path=search_path)
    return "lilong" if found and program.samefile(found) else _show(program, folder)


def _show(path: Path, folder: Path) -> str:
    if path.parent == folder:
        return shlex.quote(f"./{path.name}")  # without the slash a shell would look for it in PATH alone
    return shlex.quote(str(path.relative_to(folder) if path.is_relative_to(folder) else path))
