"""Numbers, money, sizes and times as people read them, in English or Chinese. Knows nothing of Django.

Money is exact: it is never rounded, and shows as many decimals as it has, two at least.
"""

from datetime import UTC, datetime
from decimal import Decimal

from babel.dates import format_datetime, format_skeleton, format_timedelta
from babel.numbers import format_compact_decimal, format_decimal, format_percent
from babel.units import format_unit

from lilong.common.money import PPM, UC_PER_CREDIT, format_credits

LOCALES = {"en": "en_GB", "zh-hans": "zh_Hans"}
"""By language code. British dates: the day before the month, and 24 hours."""

BYTES_PER_STEP = 1024
BYTE_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
DURATION_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))
PARTS_SHOWN = 2
COMPACT_FROM = 10_000


def find_locale(language: str) -> str:
    """Return the locale by which a language's figures are written; English for a language that we do not speak."""
    return LOCALES.get(language.lower(), LOCALES["en"])


def format_count(count: int, *, language: str) -> str:
    """Return a whole number with its groups.

    >>> format_count(1234567, language="en")
    '1,234,567'
    """
    return format_decimal(count, locale=find_locale(language))


def format_decimal_number(number: Decimal, *, language: str) -> str:
    """Return a number with its groups and at most three decimals.

    >>> format_decimal_number(Decimal("1390.5"), language="en"), format_decimal_number(Decimal(64), language="zh-hans")
    ('1,390.5', '64')
    """
    return format_decimal(number, format="#,##0.###", locale=find_locale(language))


def format_share(part: int, *, whole: int, language: str) -> str:
    """Return what part is of whole in whole per cent, rounded down; a dash of nothing.

    >>> format_share(2, whole=3, language="en"), format_share(0, whole=0, language="en")
    ('66%', '–')
    """
    return format_percent(Decimal(part * 100 // whole) / 100, locale=find_locale(language)) if whole else "–"


def format_ppm(rate_ppm: int, *, language: str) -> str:
    """Return a rate in parts per million as an exact percentage.

    >>> format_ppm(52_500, language="en")
    '5.25%'
    """
    return format_percent(Decimal(rate_ppm) / PPM, format="#,##0.####%", locale=find_locale(language))


def format_amount(amount_uc: int, *, language: str) -> str:
    """Return the exact amount in credits, with groups and without a unit.

    >>> format_amount(1_234_500_001, language="en"), format_amount(-12_000_000, language="zh-hans")
    ('1,234.500001', '-12.00')
    """
    exact = Decimal(format_credits(amount_uc))
    return format_decimal(exact, format="#,##0.00####", locale=find_locale(language))


def format_minor_amount(amount_minor: int, *, decimals: int, language: str) -> str:
    """Return an exact amount of a currency, given in its smallest unit, with groups and without a unit.

    >>> format_minor_amount(-123_456_789, decimals=2, language="en"), format_minor_amount(5, decimals=0, language="en")
    ('-1,234,567.89', '5')
    """
    places = f".{'0' * decimals}" if decimals else ""
    return format_decimal(
        Decimal(amount_minor).scaleb(-decimals), format=f"#,##0{places}", locale=find_locale(language)
    )


def format_amount_briefly(amount_uc: int, *, language: str) -> str:
    """Return an amount for the axis of a chart: without needless zeros, from ten thousand credits on to a tenth.

    >>> format_amount_briefly(2_500_000, language="en"), format_amount_briefly(1_500_000_000_000, language="en")
    ('2.5', '1.5M')
    """
    exact, locale = Decimal(amount_uc) / UC_PER_CREDIT, find_locale(language)
    if abs(exact) < COMPACT_FROM:
        return format_decimal(exact, format="#,##0.######", locale=locale)
    return format_compact_decimal(exact, locale=locale, fraction_digits=1)


def format_bytes(count: int, *, language: str) -> str:
    """Return a size in the largest binary unit that it fills, with one decimal from KiB on.

    >>> format_bytes(1536, language="en"), format_bytes(5, language="en")
    ('1.5 KiB', '5 B')
    """
    step = min(max(count.bit_length() - 1, 0) // 10, len(BYTE_UNITS) - 1)
    size = Decimal(count) / BYTES_PER_STEP**step
    number = format_decimal(size, format="#,##0.#" if step else "#,##0", locale=find_locale(language))
    return f"{number} {BYTE_UNITS[step]}"


def format_duration(seconds: float, *, language: str) -> str:
    """Return a duration in its two largest units; under a minute, whole seconds.

    >>> format_duration(5400, language="en"), format_duration(93_784, language="zh-hans")
    ('1 hr 30 mins', '1天 2小时')
    """
    rest = max(0, int(seconds))
    parts: list[str] = []
    for unit, size in DURATION_UNITS:
        count, rest = divmod(rest, size)
        if count or (unit == "second" and not parts):
            parts.append(format_unit(count, f"duration-{unit}", length="short", locale=find_locale(language)))
    return " ".join(parts[:PARTS_SHOWN])


def format_moment(moment: datetime, *, language: str) -> str:
    """Return the exact moment in UTC, to the second.

    >>> format_moment(datetime(2026, 3, 1, 12, 5, tzinfo=UTC), language="en")
    '1 Mar 2026, 12:05:00 UTC'
    """
    return f"{format_datetime(moment.astimezone(UTC), 'medium', locale=find_locale(language))} UTC"


def format_day(moment: datetime, *, language: str) -> str:
    """Return the day of a moment in UTC, without its year.

    >>> format_day(datetime(2026, 3, 1, tzinfo=UTC), language="en")
    '1 Mar'
    """
    return format_skeleton("MMMd", moment.astimezone(UTC), locale=find_locale(language))


def format_month(moment: datetime, *, language: str) -> str:
    """Return the month of a moment in UTC.

    >>> format_month(datetime(2026, 3, 1, tzinfo=UTC), language="en")
    'Mar 2026'
    """
    return format_skeleton("yMMM", moment.astimezone(UTC), locale=find_locale(language))


def format_ago(moment: datetime, *, now: datetime, language: str) -> str:
    """Return how long ago the moment is, or how long until it comes.

    >>> format_ago(datetime(2026, 3, 1, 9, tzinfo=UTC), now=datetime(2026, 3, 1, 12, tzinfo=UTC), language="en")
    '3 hours ago'
    """
    return format_timedelta(moment - now, add_direction=True, locale=find_locale(language))
