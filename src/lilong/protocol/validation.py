"""What pydantic found wrong with a value, as a sentence: the same English words, which pages can say again."""

from collections.abc import Callable, Mapping
from typing import Any, cast

from lilong.common.sentences import Sentence, say

_SENTENCES: Mapping[str, Callable[[Mapping[str, Any]], Sentence]] = {
    "missing": lambda _of: say("Field required"),
    "enum": lambda of: say("Input should be {expected}", expected=of["expected"]),
    "greater_than_equal": lambda of: say("Input should be greater than or equal to {least}", least=of["ge"]),
    "less_than_equal": lambda of: say("Input should be less than or equal to {most}", most=of["le"]),
    "string_pattern_mismatch": lambda of: say("String should match pattern '{pattern}'", pattern=of["pattern"]),
    "string_too_short": lambda _of: say("String should have at least 1 character"),
    "string_too_long": lambda of: say("String should have at most {most} characters", most=of["max_length"]),
    "too_long": lambda of: say(
        "{kind} should have at most {most} items after validation, not {count}",
        kind=of["field_type"],
        most=of["max_length"],
        count=of["actual_length"],
    ),
}


def say_validation(item: Mapping[str, object]) -> str:
    """Return what an item of `ValidationError.errors()` says; of another kind, pydantic's own words.

    >>> say_validation({"type": "missing", "msg": "Field required"})
    'Field required'
    """
    message, make = str(item["msg"]), _SENTENCES.get(str(item["type"]))
    sentence = make(cast("Mapping[str, Any]", item.get("ctx", {}))) if make else message
    return sentence if sentence == message else message
