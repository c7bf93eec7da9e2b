"""The earlier version whose homes are upgraded in tests, installed beside this one as people install it."""

import os
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path

from tests.architecture.house import REPOSITORY
from tests.machines import UV

EARLIER_VERSION = "74a39fea6e30e3610a04870fd0794b0b41cf5f19"


class EarlierMissing(RuntimeError):
    """The history of this clone does not reach back to the earlier version."""


def install_earlier(*, folder: Path) -> Path:
    """Install the earlier version in `folder`, with the packages of its own lock; return its Python.

    Raises EarlierMissing in a shallow clone.
    """
    packed = subprocess.run(["git", "archive", EARLIER_VERSION], cwd=REPOSITORY, capture_output=True, check=False)
    if packed.returncode:
        raise EarlierMissing(
            f"{EARLIER_VERSION} is not in the history of this clone: `git fetch --unshallow` brings it"
        )
    source, environment = folder / "source", folder / "environment"
    with tarfile.open(fileobj=BytesIO(packed.stdout)) as files:
        files.extractall(source, filter="data")
    subprocess.run(
        [*UV, "sync", "--frozen", "--extra", "hub", "--no-default-groups", "--python", sys.executable],
        cwd=source,
        env=os.environ | {"UV_PROJECT_ENVIRONMENT": str(environment), "UV_PYTHON_DOWNLOADS": "never"},
        check=True,
    )
    return environment / "bin" / "python"
