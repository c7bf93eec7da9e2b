"""Other machines than this one, made of what a process sees of it."""

import os
import shutil
from pathlib import Path


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
