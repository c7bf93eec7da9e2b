"""The texts that people read on pages: `python -m lilong.web.texts` finds them all, updates the catalogue, compiles it.

Babel does what gettext's own programs would, so that nobody has to install those. Titles and next steps of errors count
as texts, because pages show them in the reader's language.
"""

import importlib
import io
import os
import pkgutil
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import django
from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation import template

import lilong
from lilong import __version__
from lilong.common.errors import list_error_classes
from lilong.protocol import reasons, waits
from lilong.protocol.waits import WaitCode

PACKAGE = Path(lilong.__file__).parent
LANGUAGE = "zh_Hans"
FOLDER = PACKAGE / "locale" / LANGUAGE / "LC_MESSAGES"
CATALOGUE, COMPILED = FOLDER / "django.po", FOLDER / "django.mo"
LINE_WIDTH = 110
HEADER = "# What people read on the pages of Lilong, in Simplified Chinese. See docs/explanation/pages.md.\n#"
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
"""Stands in every header, so that nothing changes in a catalogue but its texts."""

KEYWORDS = {
    **DEFAULT_KEYWORDS,
    "say": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext_lazy": (1, 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext_lazy": ((1, "c"), 2, 3),
}
WITH_CONTEXT = re.compile(r"import .*pgettext_lazy as _\b")
SHOWN_ON_PAGES = ("lilong.common.", "lilong.protocol.", "lilong.foundation.", "lilong.platforms.", "lilong.web.")
NOT_IMPORTED = re.compile(r"\.migrations\b|\.manage$|\.worker$|\.wsgi$")


def extract_texts() -> Catalog:
    """Return every text of the package, without translations."""
    catalog = Catalog(charset="utf-8")
    for path in sorted([*PACKAGE.rglob("*.py"), *PACKAGE.rglob("templates/**/*.html")]):
        where = path.relative_to(PACKAGE.parent).as_posix()
        for _, message, comments, context in _extract_file(path):
            catalog.add(message, None, [(where, 1)], auto_comments=comments, context=context)
    for where, text in (*_list_error_texts(), *_list_sentences()):
        catalog.add(text, None, [(where, 1)])
    return catalog


def read_catalogue() -> Catalog:
    """Return the catalogue as it is kept; an empty one before the first time."""
    if not CATALOGUE.exists():
        return Catalog(locale=LANGUAGE, domain="django", project="Lilong", charset="utf-8", creation_date=BEGINNING)
    with CATALOGUE.open("rb") as file:
        return read_po(file, locale=LANGUAGE, domain="django")


def compile_catalogue(catalog: Catalog) -> bytes:
    """Return the compiled form of a catalogue, what gettext reads."""
    compiled = io.BytesIO()
    write_mo(compiled, catalog)
    return compiled.getvalue()


def find_problems() -> list[str]:
    """Return what is wrong with the catalogue: texts that lack, wait, mean nothing any more, or are not compiled."""
    kept, found = read_catalogue(), extract_texts()
    problems = [
        f"not in the catalogue: {each.id!r}" for each in found if each.id and not _has(kept, each.id, each.context)
    ]
    for each in kept:
        if not each.id:
            continue
        if not _has(found, each.id, each.context):
            problems.append(f"not used: {each.id!r}")
        if each.fuzzy or not (all(each.string) if isinstance(each.string, tuple | list) else each.string):
            problems.append(f"not translated: {each.id!r}")
        problems += [f"{each.id!r}: {error}" for error in each.check(kept)]
    problems += [f"obsolete: {each!r}" for each in kept.obsolete]
    if not COMPILED.exists() or COMPILED.read_bytes() != compile_catalogue(kept):
        problems.append("the compiled catalogue is stale")
    return problems


def update_catalogue() -> Catalog:
    """Bring the catalogue up to date, compile it and return it; translations of texts that are gone are dropped."""
    kept = read_catalogue()
    kept.update(extract_texts(), no_fuzzy_matching=True, update_creation_date=False)
    kept.obsolete.clear()
    kept.revision_date, kept.fuzzy = BEGINNING, False
    kept.header_comment = HEADER
    kept.project, kept.version = "Lilong", __version__.rsplit(".", 1)[0]
    kept.last_translator = kept.language_team = kept.msgid_bugs_address = "Lilong"
    text = io.BytesIO()
    write_po(text, kept, width=LINE_WIDTH, sort_output=True, include_lineno=False)
    FOLDER.mkdir(parents=True, exist_ok=True)
    CATALOGUE.write_bytes(text.getvalue())
    COMPILED.write_bytes(compile_catalogue(read_catalogue()))
    return kept


def _has(catalog: Catalog, text: object, context: str | None) -> bool:
    return catalog.get(text, context) is not None  # type: ignore[arg-type]  # plural texts are pairs


def _extract_file(path: Path) -> Iterator[tuple[int, str | tuple[str, ...], list[str], str | None]]:
    source = path.read_text(encoding="utf-8")
    keywords = dict(KEYWORDS)
    if path.suffix == ".html":
        python = template.templatize(source, origin=str(path))
        source = "\n".join(line.lstrip() for line in python.splitlines())
    elif WITH_CONTEXT.search(source):
        keywords["_"] = ((1, "c"), 2)
    yield from extract("python", io.BytesIO(source.encode()), keywords, comment_tags=["Translators:"])


def _list_error_texts() -> Iterator[tuple[str, str]]:
    for module in pkgutil.walk_packages(lilong.__path__, "lilong."):
        if f"{module.name}.".startswith(SHOWN_ON_PAGES) and not NOT_IMPORTED.search(module.name):
            importlib.import_module(module.name)
    for error in list_error_classes():
        if error.__module__.startswith(SHOWN_ON_PAGES):
            where = f"{error.__module__.replace('.', '/')}.py"
            yield from ((where, text) for text in (error.title, error.next_step) if text)


def _list_sentences() -> Iterator[tuple[str, str]]:
    for module in (reasons, waits):
        where = f"{module.__name__.replace('.', '/')}.py"
        yield from ((where, text) for text in module.SENTENCES.values() if text != waits.SENTENCES[WaitCode.TOLD])


def main() -> int:
    """Update and compile; say what is left to translate, and end with 1 when something is."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lilong.web.settings")
    django.setup()
    catalog = update_catalogue()
    problems = find_problems()
    sys.stdout.write(f"{len(catalog)} texts in {CATALOGUE}\n" + "".join(f"  {problem}\n" for problem in problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
