"""Where uv looks for packages: the agent's own settings, else uv's variables, else what pip is set to here."""

import configparser
import os
from collections.abc import Mapping
from pathlib import Path

from lilong.agent.settings import PackageSettings

_PIP_FILES = ("/etc/pip.conf", "~/.pip/pip.conf", "~/.config/pip/pip.conf")
_UV_VARIABLES = ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_OFFLINE")


def parse_pip_settings(*, texts: list[str], variables: Mapping[str, str]) -> PackageSettings:
    r"""Return what pip's files, later ones first in rank, and then its variables say.

    >>> parse_pip_settings(texts=["[global]\nindex-url = https://a/simple"], variables={"PIP_FIND_LINKS": "/w"})
    PackageSettings(index_url='https://a/simple', extra_index_urls=(), find_links=('/w',))
    """
    found: dict[str, str] = {}
    for text in texts:
        parser = configparser.RawConfigParser()
        try:
            parser.read_string(text)
        except configparser.Error:
            continue
        for section in ("global", "install"):
            if parser.has_section(section):
                found |= {key.replace("_", "-"): value for key, value in parser.items(section)}
    for name in ("index-url", "extra-index-url", "find-links"):
        value = variables.get(f"PIP_{name.replace('-', '_').upper()}")
        if value:
            found[name] = value
    return PackageSettings(
        index_url=found.get("index-url", "").strip(),
        extra_index_urls=tuple(found.get("extra-index-url", "").split()),
        find_links=tuple(found.get("find-links", "").split()),
    )


def build_index_options(settings: PackageSettings) -> list[str]:
    """Return uv's options. Every index may serve every package: the lock's hashes decide what is taken."""
    options = ["--default-index", settings.index_url] if settings.index_url else []
    for url in settings.extra_index_urls:
        options += ["--index", url]
    for place in settings.find_links:
        options += ["--find-links", place]
    return [*options, "--index-strategy", "unsafe-best-match"]


def find_index_options(settings: PackageSettings) -> list[str]:
    """Return uv's options for this machine and account."""
    if settings != PackageSettings() or any(os.environ.get(name) for name in _UV_VARIABLES):
        return build_index_options(settings)
    texts = [path.read_text(encoding="utf-8") for path in map(_expand, _PIP_FILES) if os.access(path, os.R_OK)]
    return build_index_options(parse_pip_settings(texts=texts, variables=os.environ))


def _expand(path: str) -> Path:
    return Path(path).expanduser()
