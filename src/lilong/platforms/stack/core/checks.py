"""What a claim has to be before it is taken."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from urllib.parse import urlsplit

from lilong.common.errors import FieldProblem, InputInvalid
from lilong.common.sentences import say
from lilong.platforms.stack.core.claims import Confidence, Source, Tier
from lilong.platforms.stack.core.properties import PROPERTIES, Kind

VALUE_MAX, CONDITIONS_MAX, NOTE_MAX = 120, 200, 500
TITLE_MAX, URL_MAX, COMMIT_MAX = 200, 500, 64
NUMBER_MAX = Decimal(10**12)
DECIMALS_MAX = 3
YEARS = range(1990, 2101)
_COUNTRY = re.compile(r"[A-Z]{2}")
_COMMIT = re.compile(r"[0-9a-f]{7,64}")


class ClaimInvalid(InputInvalid):
    """The claim cannot be taken as it is."""

    code = "claim.invalid"
    title = "This claim cannot be taken"
    next_step = "Correct the fields named here: a claim has a value that fits its property, and a source."


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What somebody wants to claim of an accelerator; the words are those of `Claim`."""

    property: str
    value: str
    tier: Tier
    confidence: Confidence
    source: Source
    conditions: str = ""
    note: str = ""


def check_draft(*, draft: Draft, today: date) -> str:
    """Return the value in its one form; raises ClaimInvalid with every field that is wrong.

    >>> from lilong.platforms.stack.core.claims import Confidence, Source, Tier
    >>> source = Source(title="NVIDIA: H100", url="https://www.nvidia.com/en-us/data-center/h100/")
    >>> said = {"tier": Tier.DATASHEET, "confidence": Confidence.HIGH, "source": source}
    >>> check_draft(draft=Draft(property="memory_gb", value="80.0", **said), today=date(2026, 3, 1))
    '80'
    """
    value = _read_value(draft)
    problems = [*_check_texts(draft), *_check_source(draft.source, today=today)]
    if isinstance(value, FieldProblem):
        problems.insert(0, value)
    if isinstance(value, FieldProblem) or problems:
        raise ClaimInvalid(fields=problems)
    return value


def _read_value(draft: Draft) -> str | FieldProblem:
    known = PROPERTIES.get(draft.property)
    if known is None:
        return FieldProblem(
            "property", "claim.property_unknown", say("It is one of {properties}.", properties=", ".join(PROPERTIES))
        )
    if known.is_number:
        return _read_number(draft.value, is_year=known.kind is Kind.YEAR)
    text = draft.value.strip()
    if not text or len(text) > VALUE_MAX or not text.isprintable():
        return FieldProblem(
            "value", "claim.value_text", say("It is one line of at most {most} characters.", most=VALUE_MAX)
        )
    if known.code == "vendor_country" and not _COUNTRY.fullmatch(text):
        return FieldProblem("value", "claim.value_country", say("A country is written by two capitals, such as CN."))
    return text


def _read_number(text: str, *, is_year: bool) -> str | FieldProblem:
    wrong = FieldProblem(
        "value", "claim.value_number", say("It is a number above 0, such as 80 or 1390.5, without its unit.")
    )
    try:
        number = Decimal(text.strip()) if len(text) <= VALUE_MAX else Decimal(0)
    except InvalidOperation:
        return wrong
    if not number.is_finite() or not 0 < number <= NUMBER_MAX or number != round(number, DECIMALS_MAX):
        return wrong
    if is_year and number not in YEARS:
        return FieldProblem(
            "value",
            "claim.value_year",
            say("A year is one from {first} to {last}.", first=YEARS[0], last=YEARS[-1]),
        )
    return f"{number.normalize():f}"


def _check_texts(draft: Draft) -> Iterator[FieldProblem]:
    for path, text, most in (("conditions", draft.conditions, CONDITIONS_MAX), ("note", draft.note, NOTE_MAX)):
        if len(text) > most or not text.isprintable():
            yield FieldProblem(path, "claim.text", say("It is one line of at most {most} characters.", most=most))


def _check_source(source: Source, *, today: date) -> Iterator[FieldProblem]:
    if not source.title.strip() or len(source.title) > TITLE_MAX or not source.title.isprintable():
        yield FieldProblem(
            "source_title",
            "claim.source",
            say("Name the source in at most {most} characters.", most=TITLE_MAX),
        )
    if source.url and not _is_address(source.url):
        yield FieldProblem(
            "source_url", "claim.source_url", say("It begins with https:// or http://, and has no spaces.")
        )
    if source.commit and not _COMMIT.fullmatch(source.commit):
        yield FieldProblem("source_commit", "claim.source_commit", say("A commit has 7 to 64 hexadecimal digits."))
    if source.dated_on is not None and source.dated_on > today:
        yield FieldProblem("source_dated_on", "claim.source_date", say("The source cannot be of a day to come."))


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    is_tidy = len(url) <= URL_MAX and url.isprintable() and " " not in url
    return is_tidy and parts.scheme in {"http", "https"} and bool(parts.hostname)
