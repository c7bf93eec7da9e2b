"""Reading requests strictly: what no database could hold, or two programs would read differently, is refused."""

import functools
import json
from typing import cast

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.datastructures import MultiValueDict
from ninja.parser import Parser
from ninja.types import DictStrAny

from lilong.common.django.problems import RequestTooLarge, respond_problem
from lilong.common.errors import FieldProblem, InputInvalid
from lilong.common.sentences import say
from lilong.web.auth import Run, find_operation

DEPTH_MAX = 32


class TextUnstorable(InputInvalid):
    """A text holds NUL or half a character, which no database keeps."""

    code = "input.text_unstorable"
    title = "A text holds characters that cannot be kept"
    next_step = "Leave out NUL characters and unpaired surrogates."


class ContentTypeUnsupported(InputInvalid):
    """The body is not declared to be JSON."""

    code = "input.content_type"
    title = "This operation reads JSON alone"
    status = 415
    next_step = "Send JSON with the content type application/json."


class ParameterUnknown(InputInvalid):
    """The address's query names something that the operation does not know."""

    code = "input.parameter_unknown"
    title = "The address holds a parameter that means nothing here"
    next_step = "Leave it out, or correct its name."


def refuse_unknown_parameters(run: Run) -> Run:
    """Refuse what an operation would ignore in the query; a decorator of a whole API, in the mode `view`."""
    operation = find_operation(run)
    queries = [model for model in operation.models if model.__ninja_param_source__ == "query"]
    known = {name for model in queries for name in getattr(model, "__ninja_flatten_map__", {})}

    @functools.wraps(run)
    def run_strictly(request: HttpRequest, **path: object) -> HttpResponseBase:
        unknown = sorted(set(request.GET) - known)
        if unknown:
            fields = [FieldProblem(name[:80], "input.unknown", say("This is not known here.")) for name in unknown[:20]]
            return respond_problem(request, ParameterUnknown(fields=fields))
        return run(request, **path)

    return run_strictly


class StrictJson(Parser):
    """JSON in UTF-8 without NUL, unpaired surrogates, NaN, names that stand twice, or nesting beyond reason."""

    def __init__(self, *, bytes_max: int) -> None:
        self._bytes_max = bytes_max

    def parse_body(self, request: HttpRequest) -> DictStrAny:
        """Return the value of the body; what it raises is the cause of the HttpError that ninja raises."""
        if request.content_type != "application/json":
            raise ContentTypeUnsupported
        if len(request.body) > self._bytes_max:
            raise RequestTooLarge(facts={"limit": self._bytes_max, "used": len(request.body)})
        text = request.body.decode()
        value = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_refuse_doubles)
        _check(value, depth=0)
        return cast("DictStrAny", value)

    def parse_querydict(
        self, data: MultiValueDict[str, str], list_fields: list[str], request: HttpRequest
    ) -> DictStrAny:
        """Return the values of the address's query; raises TextUnstorable."""
        for name, values in data.lists():
            for text in (name, *values):
                check_text(text)
        return super().parse_querydict(data, list_fields, request)


def check_text(text: str) -> None:
    """Raise TextUnstorable for NUL and unpaired surrogates."""
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise TextUnstorable


def _check(value: object, *, depth: int) -> None:
    if depth > DEPTH_MAX:
        raise ValueError("nested too deeply")
    if isinstance(value, str):
        check_text(value)
    elif isinstance(value, list):
        for item in cast("list[object]", value):
            _check(item, depth=depth + 1)
    elif isinstance(value, dict):
        for name, item in cast("dict[str, object]", value).items():
            check_text(name)
            _check(item, depth=depth + 1)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _refuse_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("a name stands twice")
    return value
