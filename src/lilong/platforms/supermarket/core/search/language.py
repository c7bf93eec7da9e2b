"""The language in which people search the shelf: `accelerator = h100 price < 3 (free >= 8 or start = now)`.

    search  = all { "or" all }
    all     = part { ["and"] part }
    part    = "not" part | "(" search ")" | field op value | field ["not"] "in" "(" value { "," value } ")"
    op      = "=" | "!=" | "<" | "<=" | ">" | ">=" | "~"
    value   = word | '"' text '"'

`~` finds a text inside another. Chinese names, words and signs mean the same. Nothing is ever run: a search becomes a
tree of comparisons. A comparison with what nobody knows, such as the price of an offer without one, holds for nothing.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TypeAlias

from lilong.common.errors import InputInvalid
from lilong.common.sentences import join_sentences, say
from lilong.platforms.supermarket.core.search.fields import (
    BY_NAME,
    FIELDS,
    RESERVED,
    Field,
    Kind,
    ValueUnreadable,
    read_text,
    say_nearest,
    write_value,
)

TEXT_MAX = 500
DEPTH_MAX = 20


class SearchInvalid(InputInvalid):
    """The search breaks the grammar, or names what there is not. facts: where the mistake begins, and its length."""

    code = "shelf.search_invalid"
    title = "This search cannot be read"
    next_step = "Write `field op value`, such as `accelerator = h100 price < 3`; the documentation lists the fields."


class Op(StrEnum):
    """How a field is compared with a value."""

    EQ = "="
    NE = "!="
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="
    HAS = "~"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One comparison; value: an integer in the field's smallest unit, or a text."""

    field: str
    op: Op
    value: int | str


@dataclass(frozen=True, slots=True)
class OneOf:
    """The field has one of these values."""

    field: str
    values: tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """What the inner search does not find."""

    inner: "Search"


@dataclass(frozen=True, slots=True)
class Every:
    """What all parts find; without parts everything. Made by `every`."""

    parts: tuple["Search", ...] = ()


@dataclass(frozen=True, slots=True)
class Some:
    """What at least one part finds. Made by `some`."""

    parts: tuple["Search", ...]


Search: TypeAlias = Comparison | OneOf | Not | Every | Some

EVERYTHING = Every()


def every(*parts: Search) -> Search:
    """Return the search for what all parts find, in its one form: flat, and one part alone stands for itself."""
    flat = tuple(inner for part in parts for inner in (part.parts if isinstance(part, Every) else (part,)))
    return flat[0] if len(flat) == 1 else Every(flat)


def some(*parts: Search) -> Search:
    """Return the search for what any part finds, in its one form; at least one part."""
    flat = tuple(inner for part in parts for inner in (part.parts if isinstance(part, Some) else (part,)))
    return flat[0] if len(flat) == 1 else Some(flat)


def toggle(search: Search, part: Search) -> Search:
    """Return the search with a part that narrows it, or without it where it has it already.

    >>> write(toggle(parse("price < 3"), parse("start = now")))
    'price < 3.00 start = now'
    >>> write(toggle(parse("price < 3 start = now"), parse("start = now")))
    'price < 3.00'
    """
    parts = search.parts if isinstance(search, Every) else (search,)
    kept = [each for each in parts if each != part]
    return every(*kept) if len(kept) < len(parts) else every(search, part)


def parse(text: str, *, known: Mapping[str, Collection[str]] | None = None) -> Search:
    """Return the search that a person wrote; an empty text finds everything. Raises SearchInvalid alone.

    known: for fields in which providers write what they like, the values there are; any other is refused.

    >>> parse("memory >= 64GiB not start = unknown").parts[0]
    Comparison(field='memory', op=<Op.GE: '>='>, value=65536)
    """
    if len(text) > TEXT_MAX:
        raise _refuse(
            text=text, at=TEXT_MAX, length=1, why=say("A search has at most {most} characters.", most=TEXT_MAX)
        )
    reader = _Reader(text, known or {})
    if reader.kind == _END:
        return EVERYTHING
    search = reader.read_search(depth=0)
    if reader.kind != _END:
        raise reader.refuse(say("This bracket closes nothing."))
    return search


def write(search: Search) -> str:
    """Return the text of a search; `parse` reads it back to an equal one.

    >>> write(parse('价格<3 且 供应方="大 云"'))
    'price < 3.00 provider = "大 云"'
    """
    match search:
        case Comparison():
            return f"{search.field} {search.op} {write_value(FIELDS[search.field], search.value)}"
        case OneOf():
            listed = ", ".join(write_value(FIELDS[search.field], value) for value in search.values)
            return f"{search.field} in ({listed})"
        case Not():
            return f"not {_bracket(search.inner)}"
        case Every():
            return " ".join(map(_bracket, search.parts))
        case Some():
            return " or ".join(map(write, search.parts))


def _bracket(search: Search) -> str:
    return f"({write(search)})" if isinstance(search, Every | Some) else write(search)


_END, _WORD, _TEXT, _SIGN, _BRACKET, _COMMA, _WRONG = "end", "word", "text", "sign", "bracket", "comma", "wrong"
_TOKENS = re.compile(
    r"\s*(?:"
    r'(?P<text>"(?:[^"\\]|\\.)*"|“[^”]*”|「[^」]*」)'
    r"|(?P<sign>[!！][=＝]|[<＜][=＝]|[>＞][=＝]|[=＝<＜>＞~～≤≥≠])"
    r"|(?P<bracket>[()（）])"
    r"|(?P<comma>[,，、])"
    r'|(?P<word>[^\s"“”「」!！=＝<＜>＞~～≤≥≠()（）,，、\\]+)'
    r"|(?P<wrong>\S)"
    r"|(?P<end>$))",
    re.DOTALL,
)
_QUOTES = ('"', "“", "「")
_NARROW = str.maketrans("！＝＜＞～（）", "!=<>~()")
_SIGNS = MappingProxyType({"≤": "<=", "≥": ">=", "≠": "!="})
_KEYWORDS = MappingProxyType({"且": "and", "或": "or", "非": "not", "属于": "in"})


class _Reader:
    """Reads a text token by token, always knowing where it stands."""

    def __init__(self, text: str, known: Mapping[str, Collection[str]]) -> None:
        self._text = text
        self._known = known
        self._after = 0
        self._step()

    def _step(self) -> None:
        match = _TOKENS.match(self._text, self._after)
        if match is None:
            raise AssertionError("unreachable")  # the expression takes any character, or the end
        self.kind = str(match.lastgroup)
        self._at, self._after = match.span(self.kind)
        written = match[self.kind]
        self.token = written.translate(_NARROW) if self.kind in {_SIGN, _BRACKET} else written
        self._keyword = _KEYWORDS.get(written, written.casefold()) if self.kind == _WORD else ""
        if self._keyword not in RESERVED:
            self._keyword = ""

    def refuse(self, why: str) -> SearchInvalid:
        """Return the refusal of the token that is read now."""
        return _refuse(text=self._text, at=self._at, length=self._after - self._at, why=why)

    def read_search(self, *, depth: int) -> Search:
        """Read up to the end or a closing bracket."""
        parts = [self._read_all(depth=depth)]
        while self._says("or"):
            self._step()
            parts.append(self._read_all(depth=depth))
        return some(*parts)

    def _read_all(self, *, depth: int) -> Search:
        parts = [self._read_part(depth=depth)]
        while self.kind != _END and not self._says("or") and not self._is_bracket(")"):
            if self._says("and"):
                self._step()
            parts.append(self._read_part(depth=depth))
        return every(*parts)

    def _read_part(self, *, depth: int) -> Search:
        if depth > DEPTH_MAX:
            raise self.refuse(say("Brackets and `not` go at most {most} deep.", most=DEPTH_MAX))
        if self._says("not"):
            self._step()
            return Not(self._read_part(depth=depth + 1))
        if self._is_bracket("("):
            self._step()
            inner = self.read_search(depth=depth + 1)
            self._expect(")", say("A bracket is open; close it with `)`."))
            return inner
        return self._read_comparison()

    def _read_comparison(self) -> Search:
        if not self._is_word():
            raise self.refuse(say("A field is expected here, such as price or accelerator."))
        field = BY_NAME.get(self.token.casefold())
        if field is None:
            names = FIELDS if self.token.isascii() else BY_NAME
            nearest = say_nearest(self.token, names) or say("Fields: {names}.", names=", ".join(FIELDS))
            raise self.refuse(join_sentences(say("There is no such field."), nearest))
        self._step()
        negated = self._says("not")
        if negated:
            self._step()
        if self._says("in"):
            self._step()
            listed = OneOf(field.name, self._read_list(field))
            return Not(listed) if negated else listed
        if negated or not self._is(_SIGN):
            raise self.refuse(say("After {name} comes {signs} or in (…).", name=field.name, signs=_list_ops(field)))
        op = Op(_SIGNS.get(self.token, self.token))
        if op not in _ops_of(field):
            raise self.refuse(say("The field {name} is compared by {signs}.", name=field.name, signs=_list_ops(field)))
        self._step()
        return Comparison(field.name, op, self._read_value(field, read=read_text if op is Op.HAS else field.read))

    def _read_list(self, field: Field) -> tuple[int | str, ...]:
        self._expect("(", say("A list follows: {name} in (one, another).", name=field.name))
        values = [self._read_value(field, read=field.read)]
        while self.kind == _COMMA:
            self._step()
            values.append(self._read_value(field, read=field.read))
        self._expect(")", say("Values are parted by commas, and the list ends with `)`."))
        return tuple(dict.fromkeys(values))

    def _read_value(self, field: Field, *, read: Callable[[str], int | str]) -> int | str:
        begins = self._at
        if self.kind == _WRONG and self.token in _QUOTES:
            raise self.refuse(say("The quotes are not closed."))
        if not (self._is_word() or self._is(_TEXT)):
            raise self.refuse(say("A value of {name} is expected here.", name=field.name))
        written = self.token if self.kind == _WORD else _unquote(self.token)
        ends = self._after
        is_bare_number = self.kind == _WORD and written.replace(".", "").isdecimal()
        self._step()
        if field.kind is Kind.MEMORY and is_bare_number and self.token.casefold() in {"mib", "gib", "tib"}:
            written, ends = f"{written} {self.token}", self._after
            self._step()
        try:
            value = read(written)
            if field.name in self._known and read is field.read:
                _require_known(str(value), self._known[field.name])
            return value
        except ValueUnreadable as unreadable:
            why = join_sentences(say("{name} has no such value.", name=field.name), unreadable.why)
            raise _refuse(text=self._text, at=begins, length=ends - begins, why=why) from unreadable

    def _says(self, keyword: str) -> bool:
        return self._keyword == keyword

    def _is(self, kind: str) -> bool:
        return self.kind == kind

    def _is_word(self) -> bool:
        return self._is(_WORD) and not self._keyword

    def _is_bracket(self, bracket: str) -> bool:
        return self.kind == _BRACKET and self.token == bracket

    def _expect(self, bracket: str, why: str) -> None:
        if not self._is_bracket(bracket):
            raise self.refuse(why)
        self._step()


def _unquote(token: str) -> str:
    return re.sub(r"\\(.)", r"\1", token[1:-1], flags=re.DOTALL) if token[0] == '"' else token[1:-1]


def _refuse(*, text: str, at: int, length: int, why: str) -> SearchInvalid:
    end = say("At its end: {why}", why=why)
    found = say("{found!r} at character {number}: {why}", found=text[at : at + length][:60], number=at + 1, why=why)
    return SearchInvalid(detail=found if length else end, facts={"at": at, "length": length})


def _require_known(value: str, known: Collection[str]) -> None:
    if value.casefold() not in {each.casefold() for each in known}:
        raise ValueUnreadable(say_nearest(value, known) or say("No value is like it."))


def _ops_of(field: Field) -> Sequence[Op]:
    return [op for op in Op if op is not Op.HAS] if field.is_number else [Op.EQ, Op.NE, Op.HAS]


def _list_ops(field: Field) -> str:
    return ", ".join(_ops_of(field))
