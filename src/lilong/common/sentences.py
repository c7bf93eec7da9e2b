"""What happened, said in English, by a text that remembers its template and values, so that a page can say it again.

A Sentence is the English text itself: APIs, logs, the record and tables get exactly that. Pure; knows no language but
English. `say` is also what the catalogue's texts are found by, so its template is always written out.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from string import Formatter
from typing import Self, TypeAlias, cast

Told: TypeAlias = dict[str, object]
"""A sentence as JSON: its template and values; a value that is itself a sentence, likewise."""


class Sentence(str):
    """An English text; template: with names in braces; values: of those names, sentences among them.

    A text without values, such as an error's next step, is its own template, and its braces mean nothing.

    >>> Sentence("{count} are left.", {"count": 3})
    '3 are left.'
    """

    __slots__ = ("template", "values")
    template: str
    values: Mapping[str, str | int]

    def __new__(cls, template: str, values: Mapping[str, str | int] | None = None) -> Self:
        """Fill the template; raises KeyError for a name without a value."""
        sentence = super().__new__(cls, template.format_map(values) if values else template)
        sentence.template, sentence.values = template, dict(values or {})
        return sentence

    def __format__(self, spec: str) -> str:
        """Stand in another sentence: `{why}` as it is, `{why:begin}` with a capital."""
        return f"{self[:1].upper()}{self[1:]}" if spec == "begin" else super().__format__(spec)

    def __reduce__(self) -> tuple[type[Self], tuple[str, Mapping[str, str | int]]]:
        """Be copied and pickled as what it was made of."""
        return type(self), (self.template, self.values)


def say(template: str, /, **values: str | int) -> Sentence:
    """Return the sentence that the values make of the template; raises TypeError unless they are exactly its names.

    >>> say("It expired at {moment}.", moment="noon").template
    'It expired at {moment}.'
    """
    if _find_names(template) != values.keys():
        raise TypeError(f"{template!r} is not filled by {', '.join(values) or 'nothing'}.")
    return Sentence(template, values)


def join_sentences(first: str, then: str) -> str:
    """Return two sentences one after the other, either of which may be empty; a plain text is its own template.

    >>> join_sentences("It is late.", ""), join_sentences("It is late.", say("Wait."))
    ('It is late.', 'It is late. Wait.')
    """
    if not first or not then:
        return first or then
    return say("{first} {then}", first=_as_sentence(first), then=_as_sentence(then))


def shorten(text: str, *, at_most: int) -> str:
    """Return at most so many characters of a text; one that is cut is a plain text."""
    return text if len(text) <= at_most else text[:at_most]


def retell(text: str, *, translate: Callable[[str], str], write: Callable[[str], str] = str) -> str:
    """Return a text in another language, or as it is; `translate` is handed templates and plain texts, `write` values.

    >>> retell(say("{name} is late.", name="Ada"), translate={"{name} is late.": "{name} 迟到了。"}.__getitem__)
    'Ada 迟到了。'
    """
    if not isinstance(text, Sentence):
        return translate(text) if text else text
    values: dict[str, str | int] = {}
    for name, value in text.values.items():
        if isinstance(value, Sentence):
            values[name] = retell(value, translate=translate, write=write)
        else:
            values[name] = write(value) if isinstance(value, str) else value
    return Sentence(translate(text.template), values)


def dump_sentence(text: str) -> Told | None:
    """Return what to keep beside a text so that it can be said again later; None where the text alone says it.

    >>> dump_sentence(say("{name} is late.", name="Ada"))
    {'template': '{name} is late.', 'values': {'name': 'Ada'}}
    """
    return _dump(text) if isinstance(text, Sentence) and text.values else None


def load_sentence(text: str, told: object) -> str:
    """Return a kept text with what `dump_sentence` kept beside it; the text alone where that does not make it.

    >>> load_sentence("Ada is late.", {"template": "{name} is late.", "values": {"name": "Ada"}}).template
    '{name} is late.'
    """
    try:
        sentence = _load(cast("Told", told))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return text
    return sentence if sentence == text else text


def _dump(sentence: Sentence) -> Told:
    values = {name: _dump(value) if isinstance(value, Sentence) else value for name, value in sentence.values.items()}
    return {"template": sentence.template, "values": values}


def _load(told: Told) -> Sentence:
    values = cast("dict[str, str | int | Told]", told["values"])
    filled = {name: _load(value) if isinstance(value, dict) else value for name, value in values.items()}
    return Sentence(cast("str", told["template"]), filled)


def _as_sentence(text: str) -> Sentence:
    return text if isinstance(text, Sentence) else Sentence(text)


@lru_cache(maxsize=1024)
def _find_names(template: str) -> frozenset[str]:
    return frozenset(name for _text, name, _format, _conversion in Formatter().parse(template) if name is not None)
