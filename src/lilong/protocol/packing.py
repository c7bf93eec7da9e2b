"""Which files of a working folder travel with a run. Pure: walking the folder is the SDK's.

Ignore files follow gitignore's rules: the last pattern that fits decides, a deeper file beats one above it, and what
lies in a folder that stays behind cannot be brought back. In one folder `.lilongignore` is read after `.gitignore`.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from pathspec.patterns.gitignore.base import GitIgnorePatternError
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

from lilong.common.sentences import say
from lilong.protocol.manifest import PATH_CHARACTERS_MAX, is_safe_path

IGNORE_FILES = (".gitignore", ".lilongignore")
ALWAYS_LEFT = frozenset(
    {".git", ".hg", ".svn", ".jj", ".venv", "__pycache__", "node_modules", ".tox", ".nox", ".DS_Store"}
    | {".mypy_cache", ".pytest_cache", ".ruff_cache", ".ipynb_checkpoints"}
)
ENVIRONMENT_MARK = "pyvenv.cfg"


@dataclass(frozen=True, slots=True)
class _Pattern:
    """One line of an ignore file. leaves: whether it makes stay behind what it fits, or brings it back."""

    text: str
    regex: re.Pattern[str]
    leaves: bool

    def fits(self, path: str) -> bool:
        """Return whether it fits the path itself: pathspec's regex fits whatever lies below such a path, too."""
        ends = {match.end() for match in self.regex.finditer(path)}
        if self.text.endswith("/**") and self.text != "/**":
            return bool(ends) and min(ends) < len(path)
        return len(path) in ends


@dataclass(frozen=True, slots=True)
class IgnoreRules:
    """The ignore files from the working folder down to one of its folders; `folder` ends with a slash, or is empty."""

    folder: str = ""
    own: tuple[_Pattern, ...] = ()
    above: "IgnoreRules | None" = None

    def enter(self, *, folder: str, lines: Sequence[str]) -> "IgnoreRules":
        """Return the rules inside `folder`, whose ignore files hold `lines`."""
        return IgnoreRules(folder=folder, own=tuple(_parse(lines)), above=self)

    def leaves(self, path: str) -> bool:
        """Return whether `path`, relative to the working folder, stays behind. The path of a folder ends with a slash.

        >>> rules = IgnoreRules().enter(folder="", lines=["*.log", "/out/"])
        >>> rules = rules.enter(folder="src/", lines=["!kept.log"])
        >>> [rules.leaves(path) for path in ("src/a.log", "src/kept.log", "src/out/", "src/__pycache__/")]
        [True, False, False, True]
        """
        if PurePosixPath(path).name in ALWAYS_LEFT:
            return True
        rules: IgnoreRules | None = self
        while rules is not None:
            inside = path.removeprefix(rules.folder)
            for pattern in reversed(rules.own):
                if pattern.fits(inside):
                    return pattern.leaves
            rules = rules.above
        return False


def _parse(lines: Iterable[str]) -> Iterator[_Pattern]:
    for line in lines:
        try:
            regex, leaves = GitIgnoreSpecPattern.pattern_to_regex(line)
        except GitIgnorePatternError:  # git passes over such a line, too
            continue
        if regex is not None and leaves is not None:
            yield _Pattern(text=line.rstrip(), regex=re.compile(regex), leaves=leaves)


def find_name_problem(path: str) -> str:
    r"""Return why a file of this relative path cannot travel, or an empty text.

    >>> find_name_problem("数据/训练 1.csv"), find_name_problem("a\nb")
    ('', 'its name holds a control character or a backslash')
    """
    try:
        path.encode()
    except UnicodeEncodeError:
        return say("its name is not UTF-8")
    if len(path) > PATH_CHARACTERS_MAX:
        return say("its path has more than {most} characters", most=PATH_CHARACTERS_MAX)
    return "" if is_safe_path(path) else say("its name holds a control character or a backslash")
