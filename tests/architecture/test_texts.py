"""Every text of a page is in the catalogue, translated and compiled; templates hold no text, style or script."""

import re

import pytest

from lilong.foundation.members.public import OrganisationState
from lilong.foundation.runs.public import RunState
from lilong.platforms.supermarket.public import OrderState
from lilong.web.labels import LABELS
from lilong.web.texts import CATALOGUE, extract_texts, find_problems
from tests.architecture.house import PACKAGE

TEMPLATES = sorted(PACKAGE.rglob("templates/**/*.html"))
WITHOUT_TEXTS = re.compile(
    r"{#.*?#}|{% blocktranslate.*?{% endblocktranslate %}|<(code|style|svg)\b.*?</\1>|{%.*?%}|{{.*?}}",
    re.DOTALL,
)
MARKUP = re.compile(r"<[^>]*>|&\w+;")
NAMES = {"Lilong"}


def find_bare_texts(template: str) -> list[str]:
    """Return the words of a template that no translation reaches."""
    prose = MARKUP.sub(" ", WITHOUT_TEXTS.sub("", template))
    return [word for word in re.findall(r"[^\W\d_]{2,}", prose) if word not in NAMES]


def test_the_chinese_catalogue_is_complete_and_compiled():
    assert len(extract_texts()) > 100
    assert find_problems() == [], "run: make texts, and translate what it names"


@pytest.mark.parametrize("path", [CATALOGUE, *sorted(PACKAGE.rglob("*.toml"))], ids=lambda path: path.name)
def test_chinese_texts_say_one_word_for_one_thing(path):
    """The glossary's words for organisation and hub, and the polite you; the wheel's platform is no hub."""
    lines = path.read_text("utf-8").splitlines()
    assert not [line for line in lines if re.search("组织|你", line) or ("平台" in line and "wheel" not in line)]


def test_no_template_holds_a_text_of_its_own():
    assert TEMPLATES
    assert not [(path.name, words) for path in TEMPLATES if (words := find_bare_texts(path.read_text("utf-8")))]


@pytest.mark.parametrize("template", ["<p>Hello</p>", "{% translate 'a' %} and", '<a href="{% url "b" %}">你好</a>'])
def test_a_text_outside_of_the_catalogue_is_found(template):
    assert find_bare_texts(template)


def test_no_template_holds_a_style_or_script_that_the_policy_forbids():
    forbidden = re.compile(r"\sstyle=|\son[a-z]+=|<style|<script(?![^>]*\ssrc=)|javascript:", re.IGNORECASE)

    pages = {path.name: re.sub(r"{%.*?%}", "", path.read_text(encoding="utf-8")) for path in TEMPLATES}
    assert not [name for name, text in pages.items() if forbidden.search(text)]


@pytest.mark.parametrize(
    ("noun", "states"), [("order", OrderState), ("run", RunState), ("organisation", OrganisationState)]
)
def test_every_state_has_a_label(noun, states):
    assert set(LABELS[noun]) == {state.value for state in states}
