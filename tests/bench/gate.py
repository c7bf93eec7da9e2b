"""Eight processes write to one SQLite file for four seconds: behind the fair gate, and with plain BEGIN IMMEDIATE."""

import tempfile
from pathlib import Path

from tests.writers import run_writers

COUNT = 8
SECONDS = 4.0


def main() -> None:
    """Print commits per second, the worst wait of any writer, and the smallest writer's part of a fair share."""
    print(f"{'way':<24}{'commits/s':>12}{'worst wait':>14}{'smallest share':>18}")
    for name, gated in (("fair gate", True), ("plain BEGIN IMMEDIATE", False)):
        with tempfile.TemporaryDirectory() as folder:
            writers = run_writers(Path(folder), count=COUNT, seconds=SECONDS, gated=gated)
        total = sum(writer.commits for writer in writers)
        share = min(writer.commits for writer in writers) * COUNT / total
        worst_s = max(writer.worst_wait_s for writer in writers)
        print(f"{name:<24}{total / SECONDS:>12.0f}{worst_s:>12.3f} s{share:>16.1%}")


if __name__ == "__main__":
    main()
