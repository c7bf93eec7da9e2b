"""End a cluster that stays, jobs included: `python -m tests.slurm.down FOLDER`, behind `make slurm-down`."""

import argparse
import os
import signal
import sys
from pathlib import Path

from tests.polling import wait_until
from tests.slurm.up import lock_path, locked

ENDS_WITHIN_S = 120


def main() -> int:
    """End the cluster of the folder and wait until it is gone; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder.resolve()

    def is_free() -> bool:
        with locked(folder) as is_ours:
            return is_ours

    if is_free():
        print(f"No cluster runs in {folder}.")
        return 0
    os.kill(int(lock_path(folder).read_text(encoding="ascii")), signal.SIGTERM)
    wait_until(is_free, within_s=ENDS_WITHIN_S, every_s=0.1)
    print(f"The cluster in {folder} has ended.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
