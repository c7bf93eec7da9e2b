"""Other machines than this one, made of what a process sees of it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.architecture.house import REPOSITORY


def make_path_without(*programs: str, folder: Path) -> str:
    """Return a PATH on which everything is found that is found now, but for these programs."""
    folder.mkdir()
    for place in map(Path, os.environ["PATH"].split(os.pathsep)):
        for program in place.iterdir() if place.is_dir() else ():
            link = folder / program.name
            if program.name not in programs and not link.is_symlink():
                link.symlink_to(program)
    assert not any(shutil.which(program, path=str(folder)) for program in programs)
    return str(folder)


UV = (sys.executable, "-m", "uv", "--quiet")


def build_wheel(*, folder: Path) -> tuple[Path, Path]:
    """Build the wheel in `folder`; return it, and a file with the locked versions of all its packages."""
    locked = folder / "locked.txt"
    subprocess.run([*UV, "build", "--wheel", "--out-dir", str(folder)], cwd=REPOSITORY, check=True)
    export = ["export", "--frozen", "--all-extras", "--no-emit-project", "--no-hashes", "--output-file", str(locked)]
    subprocess.run([*UV, *export], cwd=REPOSITORY, check=True, stdout=subprocess.DEVNULL)
    [wheel] = folder.glob("lilong-*.whl")
    return wheel, locked


def install_wheel(*, folder: Path, extra: str = "") -> Path:
    """Build the wheel, install it with the locked versions of its packages below `folder`; return its command."""
    environment = folder / "venv"
    wheel, locked = build_wheel(folder=folder)
    subprocess.run([*UV, "venv", "--python", sys.executable, str(environment)], check=True)
    wanted = f"lilong[{extra}] @ {wheel.as_uri()}" if extra else f"lilong @ {wheel.as_uri()}"
    into = ["--python", str(environment / "bin" / "python"), "--constraints", str(locked)]
    subprocess.run([*UV, "pip", "install", *into, wanted], check=True)
    return environment / "bin" / "lilong"
