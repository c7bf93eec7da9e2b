"""A POST with an `Idempotency-Key` acts once: whoever repeats it gets the first answer again.

The claim of the key, the effect and the kept answer are one transaction: they exist together or not at all. A refusal
undoes the claim, so the same key may be sent again once what was refused has been put right. Answers are kept sealed,
because some hold a token. An operation with transactions of its own is given the request's name instead, by which it
finds what it made for the same request before.
"""

import functools
import re
from dataclasses import dataclass
from hashlib import sha256

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from lilong.common.django.problems import respond_problem
from lilong.common.django.routes import get_actor, name_request, read_rule
from lilong.common.django.sealing import seal, unseal
from lilong.common.errors import InputInvalid
from lilong.common.time import utc_now
from lilong.foundation.outbox.public import StoredAnswer, digest_key, remember, store_answer
from lilong.web.auth import Run, find_operation

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
PARAMETER = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "A name of your own for this request: sent again with the same key, it acts once.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,200}$"},
}

_KEY = re.compile(r"[!-~]{1,200}")
_SUCCESS = range(200, 300)


class KeyInvalid(InputInvalid):
    """The header Idempotency-Key holds no key."""

    code = "idempotency.key_invalid"
    title = "This is not an Idempotency-Key"
    next_step = "Send 1 to 200 visible ASCII characters, such as a UUID."


@dataclass(slots=True)
class _Claim:
    """The key of one request; `who` and `is_held` are known once the caller is."""

    key: str
    route: str
    request_sha256: str
    is_kept: bool
    who: str = ""
    is_held: bool = False


def act_once(run: Run) -> Run:
    """Wrap an operation's `run`; a decorator of a whole API, in the mode `view`."""
    operation = find_operation(run)
    if operation.methods != ["POST"]:
        return run
    has_own_transactions = read_rule(operation.openapi_extra).has_own_transactions
    extra = operation.openapi_extra or {}
    declared = extra.get("parameters", [])
    operation.openapi_extra = extra | {"parameters": [*declared, PARAMETER]}

    @functools.wraps(run)
    def run_once(request: HttpRequest, **path: object) -> HttpResponseBase:
        key = request.headers.get(HEADER)
        if key is None:
            return run(request, **path)
        if not _KEY.fullmatch(key):
            return respond_problem(request, KeyInvalid())
        try:
            claim = _Claim(
                key=key,
                route=f"POST {request.path}",
                request_sha256=_digest(request),
                is_kept=not has_own_transactions,
            )
            request.__dict__["idempotency_claim"] = claim
            if has_own_transactions:
                return run(request, **path)
            with transaction.atomic():
                response = run(request, **path)
                if response.status_code in _SUCCESS:
                    _keep(claim, response)
                else:
                    transaction.set_rollback(True)
                return response
        except Exception as error:  # noqa: BLE001 - the commit may fail, outside of what ninja watches
            return operation.api.on_exception(request, error)

    return run_once


def replay_first(view: Run) -> Run:
    """Wrap an operation's view; a decorator of a whole API, in the mode `operation`: by now the caller is known."""

    @functools.wraps(view)
    def view_once(request: HttpRequest, *positional: object, **named: object) -> HttpResponseBase:
        claim = request.__dict__.get("idempotency_claim")
        if isinstance(claim, _Claim):
            actor = get_actor(request)
            claim.who = f"{actor.organisation_id}:{actor.person_id}"
            if not claim.is_kept:
                name_request(request, digest_key(organisation_id=claim.who, route=claim.route, key=claim.key))
                return view(request, *positional, **named)
            kept = remember(
                organisation_id=claim.who,
                route=claim.route,
                key=claim.key,
                request_sha256=claim.request_sha256,
                now=utc_now(),
            )
            if kept is not None:
                return _replay(kept, claim)
            claim.is_held = True
        return view(request, *positional, **named)

    return view_once


def _keep(claim: _Claim, response: HttpResponseBase) -> None:
    if not claim.is_held or not isinstance(response, HttpResponse):
        return
    body = seal(text=response.content.decode(), context=_context(claim))
    answer = StoredAnswer(status=response.status_code, body=body.encode())
    store_answer(organisation_id=claim.who, route=claim.route, key=claim.key, answer=answer)


def _replay(kept: StoredAnswer, claim: _Claim) -> HttpResponse:
    text = unseal(sealed=kept.body.decode(), context=_context(claim))
    response = HttpResponse(text, status=kept.status, content_type="application/json; charset=utf-8")
    response[REPLAYED] = "true"
    return response


def _context(claim: _Claim) -> str:
    return f"answer {claim.who} {claim.route} {claim.key}"


def _digest(request: HttpRequest) -> str:
    return sha256(b"\n".join([request.META.get("QUERY_STRING", "").encode(), request.body])).hexdigest()
