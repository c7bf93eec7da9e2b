"""Every error that Lilong raises on purpose, and its one rendering as RFC 9457 problem details.

A leaf error stands beside the function that raises it and sets `code`, `title` and `next_step`;
`detail` says what happened this time. Nothing else may reach a user.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from lilong.common.sentences import dump_sentence, load_sentence

PROBLEM_BASE = "urn:lilong:problem:"


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One field that is wrong: its path such as `resources.memory`, a stable code, a sentence."""

    path: str
    code: str
    message: str


class LilongError(Exception):
    """Base of all errors raised on purpose.

    code: stable, dotted; title: one short sentence, the same every time; status: of the HTTP answer;
    next_step: what would make it pass; retryable: the same call may succeed later.
    """

    code: ClassVar[str] = "lilong.error"
    title: ClassVar[str] = "Something went wrong"
    status: ClassVar[int] = 500
    next_step: ClassVar[str] = ""
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        *,
        detail: str = "",
        fields: Sequence[FieldProblem] = (),
        facts: Mapping[str, str | int] | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        self.fields = tuple(fields)
        self.facts = dict(facts or {})
        self.retry_after_s = retry_after_s


class InputInvalid(LilongError):
    """The request itself is wrong; sending it again changes nothing."""

    code = "input.invalid"
    title = "The request is not valid"
    status = 422
    next_step = "Correct the fields named here and send it again."


class NotSignedIn(LilongError):
    """The request carries no token, or one that is unknown, expired or revoked."""

    code = "token.invalid"
    title = "This needs a valid token"
    status = 401
    next_step = (
        "Sign in with `lilong login URL` and a valid token, or send one as `Authorization: Bearer …`. "
        "Who manages your organisation can make one; for the operator `lilong init` does."
    )


class NotAllowed(LilongError):
    """The caller is known and may not do this; `detail` is the reason."""

    code = "permission.refused"
    title = "You may not do this"
    status = 403
    next_step = "Ask an owner or admin of your organisation, or use a token with the scope named here."


class NotFound(LilongError):
    """It does not exist, or the caller may not see it: both answer alike."""

    code = "not_found"
    title = "There is nothing here that you can see"
    status = 404
    next_step = "Check the id and the organisation your token belongs to."


class Conflict(LilongError):
    """The request contradicts the present state."""

    code = "conflict"
    title = "This contradicts the present state"
    status = 409
    next_step = "Read the present state and decide again."


class LimitReached(LilongError):
    """A limit is reached; `facts` holds limit, used and, where it resets, resets_at."""

    code = "limit.reached"
    title = "A limit is reached"
    status = 429
    next_step = "Wait until the limit resets or ask for a higher one."


class EngineRefused(LilongError):
    """The engine will never take this as it is."""

    code = "engine.refused"
    title = "The engine refuses this"
    status = 422
    next_step = "Change what the engine names, or choose another pool."


class EngineBusy(LilongError):
    """The engine cannot answer now; the same call may succeed after `retry_after_s`."""

    code = "engine.busy"
    title = "The engine is busy"
    status = 503
    next_step = "Wait as long as it says, then call again."
    retryable = True


class EngineLost(LilongError):
    """Whether the call took effect is unknown: reconcile, never resubmit."""

    code = "engine.lost"
    title = "The engine's answer was lost"
    status = 502
    next_step = "Do not send it again: the hub looks for what became of it and shows what it finds."


class InvariantBroken(LilongError):
    """Something that can never be true is true; the change was not made."""

    code = "invariant.broken"
    title = "The hub refused to contradict itself"
    status = 500
    next_step = "Nothing was changed. Tell the operator; the event is logged."


def dump_problem(problem: FieldProblem) -> dict[str, object]:
    """Return a field's problem as JSON to keep: with what its message is made of, so that it can be said again."""
    kept: dict[str, object] = {"path": problem.path, "code": problem.code, "message": problem.message}
    said = dump_sentence(problem.message)
    return kept | {"said": said} if said else kept


def load_problem(kept: Mapping[str, object]) -> FieldProblem:
    """Return what `dump_problem` kept.

    >>> load_problem({"path": "cores", "code": "cores_missing", "message": "Too few."}).message
    'Too few.'
    """
    message = load_sentence(str(kept["message"]), kept.get("said"))
    return FieldProblem(path=str(kept["path"]), code=str(kept["code"]), message=message)


def list_error_classes() -> list[type[LilongError]]:
    """Return every error class that is loaded, by code: what the reference page and the SDK list."""
    found: dict[str, type[LilongError]] = {}
    todo: list[type[LilongError]] = [LilongError]
    while todo:
        error_class = todo.pop()
        found.setdefault(error_class.code, error_class)
        todo.extend(error_class.__subclasses__())
    return [found[code] for code in sorted(found)]


def render_problem(error: LilongError, *, instance: str = "") -> dict[str, object]:
    """Return the members of an RFC 9457 problem document for `error`.

    >>> render_problem(NotFound(), instance="/api/v1/runs/x")["type"]
    'urn:lilong:problem:not_found'
    """
    problem: dict[str, object] = {
        "type": PROBLEM_BASE + error.code,
        "title": error.title,
        "status": error.status,
        "code": error.code,
        "retryable": error.retryable,
    }
    if error.detail:
        problem["detail"] = error.detail
    if error.next_step:
        problem["next_step"] = error.next_step
    if error.fields:
        problem["fields"] = [
            {"path": field.path, "code": field.code, "message": field.message} for field in error.fields
        ]
    if error.facts:
        problem["facts"] = error.facts
    if instance:
        problem["instance"] = instance
    return problem
