"""The FinOps foundation's own checker of FOCUS files, in an environment of its own: it is no part of Lilong.

It asks for NumPy 1, of which there are ready packages for Python 3.12 alone; it does as well with 2.
"""

import fcntl
import re
import subprocess
from collections import Counter
from pathlib import Path

from tests.architecture.house import REPOSITORY
from tests.python13 import UV, NewPythonMissing, find_new_python

CACHE = REPOSITORY / ".cache" / "focus-validator-2.2.1"
PACKAGES = ("focus-validator==2.2.1", "pyarrow<21")
CRITERIA = (
    "ACCOUNT_NAMING_SUPPORTED",
    "BILLING_BASED_ON_PROVISIONED_RESOURCES_SUPPORTED",
    "PRICING_BILLING_CURRENCY_DIFFERENCES_SUPPORTED",
    "PUBLIC_PRICE_LIST_SUPPORTED",
    "RESOURCE_TYPE_ASSIGNMENT_SUPPORTED",
    "UNIT_PRICING_SUPPORTED",
    "USAGE_MEASUREMENT_SUPPORTED",
    "VIRTUAL_CURRENCY_SUPPORTED",
)
"""What a hub does of that on which FOCUS makes columns depend."""

EITHER_OR = frozenset({"InvoiceId-C-004-C", "InvoiceId-C-005-C"})
"""A charge has an invoice, or has none: of these two rules one fails for every file; InvoiceId-C-003-C weighs them."""

ROOT_RULE = "CostAndUsage-D-000-M"
_LINE = re.compile(r"^\S+ (\S+): (PASS|FAIL|SKIPPED)", re.MULTILINE)


class CheckerMissing(RuntimeError):
    """The checker cannot be had here; the message says why."""


def check_focus(content: bytes, *, folder: Path) -> list[str]:
    """Return the rules of FOCUS 1.2 that a file breaks; raises CheckerMissing."""
    file = folder / "charges.csv"
    file.write_bytes(content)
    packages = _find_checker()
    # It reads its list of currencies from the folder that it is started in.
    command = ["../../../bin/focus-validator", "--data-file", str(file), "--validate-version", "1.2"]
    command += ["--block-download", "--applicability-criteria", ",".join(CRITERIA)]
    done = subprocess.run(command, cwd=packages, capture_output=True, text=True, check=False, timeout=120)
    results = dict(_LINE.findall(done.stdout))
    counts = Counter(results.values())
    if results.get(ROOT_RULE) is None or counts["PASS"] < len(CRITERIA):
        raise AssertionError(f"The checker did not check:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return sorted(rule for rule, result in results.items() if result == "FAIL" and rule not in EITHER_OR)


def _find_checker() -> Path:
    """Return the folder of the checker's packages, installing them when they are not there."""
    CACHE.parent.mkdir(parents=True, exist_ok=True)
    with CACHE.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (CACHE / "complete").exists():
            _install()
    return next(CACHE.glob("lib/python*/site-packages"))


def _install() -> None:
    try:
        python = find_new_python()
    except NewPythonMissing as error:
        raise CheckerMissing(f"focus-validator needs Python 3.12 or later: {error}") from error
    _run(*UV, "venv", "--clear", "--python", python, CACHE)
    wish = CACHE / "wish.txt"
    wish.write_text("numpy>=2.1\n", encoding="utf-8")
    _run(*UV, "pip", "install", "--python", CACHE / "bin" / "python", "--overrides", wish, *PACKAGES)
    (CACHE / "complete").touch()


def _run(*command: str | Path) -> None:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, timeout=280)
    if done.returncode:
        raise CheckerMissing(f"focus-validator cannot be installed here: {done.stderr[-300:]}")
