"""Talking to one witness over HTTP. Decides nothing and believes nothing: signatures are checked by the caller."""

from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

import httpx

from lilong.protocol.witnessing import ADD_CHECKPOINT, LAST_HEAD, REQUEST_BYTES_MAX, SIZE_CONTENT_TYPE, CosignRequest

SECONDS_TO_ANSWER = 3.0
SECONDS_TO_CONNECT = 1.5
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
DIGITS_MAX = 18


class WitnessUnreachable(Exception):
    """The witness did not give an answer that can be read."""


@dataclass(frozen=True, slots=True)
class CosignAnswer:
    """lines: signature lines, empty when refused.

    last_size: told when the witness has cosigned another size than we thought; contradicts: our head does not continue
    what it has cosigned; problem: in words.
    """

    lines: str = ""
    last_size: int | None = None
    contradicts: bool = False
    problem: str = ""


def fetch_last_note(*, url: str, origin: str) -> str:
    """Return the last head that the witness cosigned for a log; empty when there is none."""
    answer = _call("GET", f"{url}{LAST_HEAD}", params={"origin": origin})
    if answer.status == HTTPStatus.NOT_FOUND:
        return ""
    if answer.status != HTTPStatus.OK:
        raise WitnessUnreachable(f"It answered {answer.status}.")
    return answer.text


def request_cosignature(*, url: str, request: CosignRequest) -> CosignAnswer:
    """Ask the witness to cosign a head."""
    answer = _call("POST", f"{url}{ADD_CHECKPOINT}", content=request.render().encode())
    if answer.status == HTTPStatus.OK:
        return CosignAnswer(lines=answer.text)
    told = answer.text.strip()
    if answer.content_type == SIZE_CONTENT_TYPE and told.isdecimal() and len(told) <= DIGITS_MAX:
        return CosignAnswer(last_size=int(told))
    return CosignAnswer(
        contradicts=answer.status in {HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY},
        problem=f"It answered {answer.status}: {told[:200]}",
    )


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    content_type: str
    text: str


def _call(method: str, url: str, *, params: dict[str, str] | None = None, content: bytes | None = None) -> _Answer:
    body = b""
    timeout = httpx.Timeout(SECONDS_TO_ANSWER, connect=SECONDS_TO_CONNECT)
    through_proxy = urlsplit(url).hostname not in LOOPBACK
    try:
        with (
            httpx.Client(timeout=timeout, trust_env=through_proxy) as client,
            client.stream(method, url, params=params, content=content) as answer,
        ):
            for chunk in answer.iter_bytes():
                body += chunk
                if len(body) > REQUEST_BYTES_MAX:
                    raise WitnessUnreachable("Its answer is too long.")
            content_type = answer.headers.get("content-type", "").partition(";")[0].strip()
            return _Answer(answer.status_code, content_type, body.decode(errors="replace"))
    except httpx.HTTPError as error:
        raise WitnessUnreachable(f"{type(error).__name__}: {error}") from error
