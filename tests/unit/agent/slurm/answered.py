"""What real clusters of two versions printed, in `answers/VERSION/`: asked as `commands.py` asks."""

from functools import cache
from pathlib import Path

VERSIONS = ("22.05", "24.11")
SEPARATOR = "<9c2e41d7>"


@cache
def read_answer(version: str, name: str) -> str:
    return (Path(__file__).parent / "answers" / version / f"{name}.txt").read_text(encoding="utf-8")
