"""What a search may ask of an offer: the fields, their kinds and names, and how a value of each is read and written."""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from types import MappingProxyType

from lilong.common.money import PPM, AmountInvalid, format_credits, parse_credits
from lilong.common.sentences import say
from lilong.platforms.supermarket.core.measuring.figures import MICRO
from lilong.platforms.supermarket.core.pricing import Unit
from lilong.platforms.supermarket.core.reputation import BANDS, BELOW, TOO_FEW, Share
from lilong.platforms.supermarket.core.starts import Starts
from lilong.protocol.accelerators import AcceleratorUnknown, find_nearest, list_accelerators, resolve

NONE = "none"
MEMORY_MAX_MIB = 10**18 - 1
PER_CENT_MAX = 100
PPM_PER_CENT = PPM // PER_CENT_MAX
UNITS = MappingProxyType({Unit.CORE: "core", Unit.ACCELERATOR: "accelerator"})
_MIB_PER = MappingProxyType({"mib": 1, "gib": 1024, "tib": 1024**2})


class Kind(StrEnum):
    """How values of a field are written and compared."""

    AMOUNT = "amount"
    MEMORY = "memory"
    COUNT = "count"
    SPEED = "speed"
    SHARE = "share"
    WORD = "word"
    TEXT = "text"


class ValueUnreadable(Exception):
    """A value that its field does not take. why: a sentence, with the nearest ones."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True)
class Field:
    """One field. read: its value from what a person wrote, or ValueUnreadable; NONE is the word for having none.

    Values of WORD fields are from a closed set, of TEXT fields whatever providers wrote.
    """

    name: str
    kind: Kind
    read: Callable[[str], int | str]
    aliases: tuple[str, ...] = ()

    @property
    def is_number(self) -> bool:
        """Whether its values have an order."""
        return self.kind in {Kind.AMOUNT, Kind.MEMORY, Kind.COUNT, Kind.SPEED, Kind.SHARE}


def say_nearest(wrong: str, known: Iterable[str]) -> str:
    """Return a sentence that names what is most like `wrong`, or all there is when it is little.

    >>> say_nearest("nvidai", ["NVIDIA", "Huawei", "AMD", "Intel", "Hygon", "MetaX", "Biren"])
    'Nearest: NVIDIA.'
    """
    names = {name.casefold(): name for name in sorted(known)}
    close = difflib.get_close_matches(wrong.casefold(), names, n=3, cutoff=0.5)
    if close:
        return say("Nearest: {names}.", names=", ".join(names[key] for key in close))
    few = 6
    return say("There is: {names}.", names=", ".join(names.values())) if 0 < len(names) <= few else ""


def write_value(field: Field, value: int | str) -> str:
    """Return a value as the language writes it, quoted where it must be.

    >>> write_value(FIELDS["memory"], 65536), write_value(FIELDS["price"], 2_500_000)
    ('64GiB', '2.50')
    """
    if isinstance(value, str):
        return quote_text(value)
    if field.kind is Kind.AMOUNT:
        return format_credits(value)
    if field.kind is Kind.SPEED:
        return f"{(Decimal(value) / MICRO).normalize():f}"
    if field.kind is Kind.SHARE:
        return f"{(Decimal(value) / PPM_PER_CENT).normalize():f}%"
    if field.kind is Kind.MEMORY:
        return f"{value // 1024}GiB" if value % 1024 == 0 else f"{value}MiB"
    return str(value)


def quote_text(text: str) -> str:
    r"""Return a word as it is, any other text in quotes.

    >>> quote_text("h100-sxm5"), quote_text('the "big" one')
    ('h100-sxm5', '"the \\"big\\" one"')
    """
    if re.fullmatch(r"[^\W_][\w.+-]*", text) and text.casefold() not in RESERVED:
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


RESERVED = frozenset({"and", "or", "not", "in", "且", "或", "非", "属于"})


def _read_amount(text: str) -> int:
    try:
        return parse_credits(text)
    except AmountInvalid as error:
        raise ValueUnreadable(say("Write credits, such as 2.5, with at most six decimals.")) from error


def _read_speed(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,6})?", text):
        raise ValueUnreadable(say("Write a number such as 0.05, with at most six decimals and without its unit."))
    return int(Decimal(text) * MICRO)


def _read_share(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,4})?%?", text) or Decimal(text.removesuffix("%")) > PER_CENT_MAX:
        raise ValueUnreadable(say("Write per cent, such as 95%, at most 100% and with at most four decimals."))
    return int(Decimal(text.removesuffix("%")) * PPM_PER_CENT)


def _read_count(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise ValueUnreadable(say("Write a whole number, such as 8."))
    return int(text)


def _read_memory(text: str) -> int:
    match = re.fullmatch(r"([0-9]{1,18}(?:\.[0-9]{1,6})?) *([A-Za-z]+)", text)
    if match is None or match[2].casefold() not in _MIB_PER:
        raise ValueUnreadable(say("Write an amount with its unit, MiB, GiB or TiB, such as 64GiB."))
    memory = Fraction(match[1]) * _MIB_PER[match[2].casefold()]
    if memory > MEMORY_MAX_MIB:
        raise ValueUnreadable(say("No machine has so much."))
    if memory.denominator != 1:
        raise ValueUnreadable(say("It must come to whole MiB."))
    return int(memory)


def _read_accelerator(text: str) -> str:
    if text.casefold() in {NONE, "无"}:
        return NONE
    try:
        return resolve(text).id
    except AcceleratorUnknown as error:
        nearest = find_nearest(text)
        names = ", ".join(nearest)
        raise ValueUnreadable(say("Nearest: {names}.", names=names) if names else say("No name is like it.")) from error


def _one_of(words: Mapping[str, str]) -> Callable[[str], str]:
    """Return a reader of a closed set. words: what may be written, casefolded, and what it means."""

    def read(text: str) -> str:
        found = words.get(text.casefold())
        if found is None:
            raise ValueUnreadable(say_nearest(text, set(words.values())) or say("No value is like it."))
        return found

    return read


def read_text(text: str) -> str:
    """Return a text that providers could have written, or raise ValueUnreadable."""
    if not text.strip() or not text.isprintable():
        raise ValueUnreadable(say("Write at least one letter, and no control characters."))
    return text


def _fold(words: Iterable[str]) -> dict[str, str]:
    return {word.casefold(): word for word in words}


_VENDORS = _fold({row.vendor for row in list_accelerators()} | {NONE}) | {"无": NONE}
_COUNTRIES = _fold({row.country for row in list_accelerators()} | {NONE}) | {"无": NONE, "中国": "CN", "美国": "US"}
_STARTS = _fold(Starts) | {"现在": Starts.NOW, "维护后": Starts.AFTER_MAINTENANCE, "未知": Starts.UNKNOWN}
_BANDS = _fold((*BANDS, BELOW, TOO_FEW))
_UNITS = _fold(UNITS.values()) | {"核": UNITS[Unit.CORE], "加速卡": UNITS[Unit.ACCELERATOR]}

FIELDS: Mapping[str, Field] = MappingProxyType(
    {
        field.name: field
        for field in (
            Field("price", Kind.AMOUNT, _read_amount, ("价格",)),
            Field("unit", Kind.WORD, _one_of(_UNITS), ("单位",)),
            Field("accelerator", Kind.WORD, _read_accelerator, ("加速卡",)),
            Field("vendor", Kind.WORD, _one_of(_VENDORS), ("厂商",)),
            Field("jurisdiction", Kind.WORD, _one_of(_COUNTRIES), ("法域",)),
            Field("memory", Kind.MEMORY, _read_memory, ("内存",)),
            Field("cores", Kind.COUNT, _read_count, ("核数",)),
            Field("free", Kind.COUNT, _read_count, ("空闲",)),
            Field("gang", Kind.COUNT, _read_count, ("组调度",)),
            Field("measured_fp32", Kind.SPEED, _read_speed, ("实测fp32",)),
            Field("measured_fp16", Kind.SPEED, _read_speed, ("实测fp16",)),
            Field("measured_bf16", Kind.SPEED, _read_speed, ("实测bf16",)),
            Field("measured_memory", Kind.SPEED, _read_speed, ("实测带宽",)),
            Field("measured_tokens", Kind.SPEED, _read_speed, ("实测词元",)),
            Field("measured_interconnect", Kind.SPEED, _read_speed, ("实测互连",)),
            Field("fp32_price", Kind.AMOUNT, _read_amount, ("fp32单价",)),
            Field("fp16_price", Kind.AMOUNT, _read_amount, ("fp16单价",)),
            Field("bf16_price", Kind.AMOUNT, _read_amount, ("bf16单价",)),
            Field("token_price", Kind.AMOUNT, _read_amount, ("词元单价",)),
            Field(Share.ENDED_WELL, Kind.SHARE, _read_share, ("正常结束",)),
            Field(Share.STARTED_IN_TIME, Kind.SHARE, _read_share, ("按时开始",)),
            Field(Share.LEVEL_KEPT, Kind.SHARE, _read_share, ("等级兑现",)),
            Field(Share.UNDISPUTED, Kind.SHARE, _read_share, ("无争议",)),
            Field(Share.STEADY_SPEED, Kind.SHARE, _read_share, ("速度稳定",)),
            Field("track_record", Kind.WORD, _one_of(_BANDS), ("履约档",)),
            Field("start", Kind.WORD, _one_of(_STARTS), ("开始",)),
            Field("provider", Kind.TEXT, read_text, ("供应方",)),
            Field("level", Kind.TEXT, read_text, ("服务等级",)),
            Field("name", Kind.TEXT, read_text, ("名称",)),
        )
    }
)

BY_NAME: Mapping[str, Field] = MappingProxyType(
    {name: field for field in FIELDS.values() for name in (field.name, *field.aliases)}
)
