"""The reference mentions every setting, command and error, and says what the code says today."""

import re

from docs.generate import REFERENCE, list_commands, list_errors, list_refusals, render_all
from lilong.common.errors import LilongError
from lilong.web.config import Settings
from tests.architecture.house import REPOSITORY

CODE = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)+|not_found|conflict")
LINK = re.compile(r"\]\((?!https?://|mailto:|#)([^)#\s]+)")


def read_reference() -> str:
    return "".join(page.read_text(encoding="utf-8") for page in sorted(REFERENCE.glob("*.md")))


def test_generated_pages_are_current():
    on_disk = {name: (REFERENCE / name).read_text(encoding="utf-8") for name in render_all()}

    assert on_disk == render_all(), "run: make docs"


def test_the_reference_mentions_every_setting_command_and_error():
    reference = read_reference()
    settings = [f"LILONG_{name.upper()}" for name in Settings.model_fields]
    commands = [path for path, _ in list_commands()]
    errors = [error.code for error in list_errors()]

    assert settings
    assert commands
    assert errors
    assert not [name for name in [*settings, *commands, *errors, *list_refusals()] if f"`{name}`" not in reference]


def test_every_setting_and_command_says_what_it_is():
    assert not [name for name, field in Settings.model_fields.items() if not field.description]
    assert not [path for path, command in list_commands() if not command.help]


def list_subclasses(base: type[LilongError]) -> list[type[LilongError]]:
    own = [error for error in base.__subclasses__() if error.__module__.startswith("lilong.")]
    return [*own, *(inner for error in own for inner in list_subclasses(error))]


def test_every_error_has_a_code_of_its_own_and_a_next_step():
    assert list_errors()  # imports the whole package
    errors = list_subclasses(LilongError)
    codes = [error.code for error in errors]

    assert not [error.__name__ for error in errors if not CODE.fullmatch(error.code)]
    assert not [error.__name__ for error in errors if not error.next_step]
    assert not [error.__name__ for error in errors if codes.count(error.code) > 1]


def test_links_between_papers_lead_somewhere():
    papers = [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md"), *(REPOSITORY / "src").rglob("*.md")]
    links = [(paper, target) for paper in papers for target in LINK.findall(paper.read_text(encoding="utf-8"))]

    assert not [f"{paper.name}: {target}" for paper, target in links if not (paper.parent / target).exists()]
