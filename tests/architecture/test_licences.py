"""What Lilong imports while it runs may be used by anybody: no GPL, no AGPL, and no licence that is not stated."""

import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

FORBIDDEN = re.compile(r"\bA?GPL|Affero|(?<!Lesser )General Public License", re.IGNORECASE)
LESSER = re.compile(r"LGPL|Lesser General Public License", re.IGNORECASE)
# Weak copyleft is fine where the library stays a library that anyone may exchange.
ALLOWED_LESSER = {
    "psycopg": "LGPL-3.0: imported unchanged, installed by pip, exchangeable",
    "psycopg-binary": "LGPL-3.0: as psycopg",
}


def list_runtime_packages() -> list[Distribution]:
    """Return every installed distribution that `lilong[hub,s3,saml]` needs, directly or not."""
    todo: list[tuple[str, frozenset[str]]] = [("lilong", frozenset({"hub", "s3", "saml"}))]
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    while todo:
        name, extras = todo.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            found[name] = package = distribution(name)
        except PackageNotFoundError:
            continue  # needed on other platforms only
        for line in package.requires or []:
            wanted = Requirement(line)
            if wanted.marker is None or any(wanted.marker.evaluate({"extra": extra}) for extra in extras | {""}):
                todo.append((canonicalize_name(wanted.name), frozenset(wanted.extras)))
    return [found[name] for name in sorted(found)]


def read_licence(package: Distribution) -> str:
    """Return all that a package says about its licence in its metadata."""
    fields = package.metadata.json
    classifiers = [line for line in fields.get("classifier", []) if line.startswith("License ::")]
    stated = [str(fields.get("license_expression", "")), str(fields.get("license", "")).split("\n")[0]]
    return "; ".join(part for part in [*stated, *classifiers] if part)


def judge(*, name: str, licence: str) -> str:
    """Return what is wrong with a licence, or an empty text."""
    if not licence:
        return f"{name} states no licence"
    if LESSER.search(licence):
        return "" if name in ALLOWED_LESSER else f"{name} is under {licence}: allow it with a reason or do without it"
    return f"{name} is under {licence}" if FORBIDDEN.search(licence) else ""


def test_no_package_that_a_hub_imports_is_under_the_gpl():
    packages = list_runtime_packages()
    problems = [judge(name=package.name.lower(), licence=read_licence(package)) for package in packages]

    assert {"boto3", "django", "httpx", "psycopg", "pydantic", "xmlsec"} <= {
        package.name.lower() for package in packages
    }
    assert not [problem for problem in problems if problem]


@pytest.mark.parametrize(
    "licence",
    [
        "GPL-3.0-only",
        "AGPL-3.0-or-later",
        "License :: OSI Approved :: GNU General Public License v3 (GPLv3)",
        "GNU Affero General Public License v3",
        "LGPL-3.0-only",
        "",
    ],
)
def test_a_licence_that_binds_the_whole_program_is_refused(licence):
    assert judge(name="some-package", licence=licence)
