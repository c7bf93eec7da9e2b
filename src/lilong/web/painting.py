"""Drawings of specs, made by a process beside this one (`painter.py`) and kept: by far most pages find theirs here.

A page waits for a drawing within bounds, and does without when there is none: figures stand in a table below each.
"""

import atexit
import hashlib
import json
import os
import re
import select
import subprocess
import sys
import threading
import time
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, cast
from xml.etree import ElementTree as ET

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

PAINTER = (sys.executable, "-I", str(Path(__file__).with_name("painter.py")))
KEPT_MAX = 512
STARTS_WITHIN_S, ANSWERS_WITHIN_S, TURN_WITHIN_S = 10.0, 2.0, 1.0
RESTS_S = 60.0
"""How long nobody asks again after a failure, so that a painter which cannot start costs one page a minute."""

CHUNK_BYTES = 64 * 1024
SVG = "{http://www.w3.org/2000/svg}"
STROKED = frozenset({"transform", "fill", "fill-opacity", "stroke", "stroke-width"})
KEPT = {
    "g": frozenset({"transform"}),
    "path": STROKED | {"d"},
    "line": STROKED | {"x2", "y2"},
    "text": frozenset({"transform", "fill", "text-anchor"}),
}
"""What is taken over from a drawing. Everything else goes, such as styles and scripts, which pages forbid."""

_LONG_NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")


class DrawingFailed(Exception):
    """There is no drawing of this now."""


class Studio:
    """The painter of this process and the drawings that it made. It starts by `open`, else for the first drawing.

    Threads take turns. Raises DrawingFailed after TURN_WITHIN_S without a turn, after ANSWERS_WITHIN_S without an
    answer, and for RESTS_S after any failure of the painter.
    """

    def __init__(self, command: tuple[str, ...] = PAINTER) -> None:
        self._command = command
        self._kept: OrderedDict[bytes, SafeString] = OrderedDict()
        self._turn = threading.Lock()
        self._painter: subprocess.Popen[bytes] | None = None
        self._has_answered = False
        self._rests_until_s = 0.0

    def open(self) -> None:
        """Start the painter without waiting until it is ready; one that does not start is told of at a drawing."""
        with self._turn, suppress(OSError):
            self._start()

    def draw(self, *, spec: dict[str, Any]) -> SafeString:
        """Return what stands inside the svg element of a spec, drawn now or earlier.

        Texts in the spec are in the reader's language, so its digest tells languages apart, too.
        """
        text = json.dumps(spec, ensure_ascii=True, sort_keys=True)
        digest = hashlib.sha256(text.encode()).digest()
        # Every step on the dictionary is one of its own: threads meet here without waiting.
        if (found := self._kept.get(digest)) is not None:
            return found
        if not self._turn.acquire(timeout=TURN_WITHIN_S):
            raise DrawingFailed("Others' drawings take too long.")
        try:
            if (found := self._kept.get(digest)) is not None:
                return found
            self._kept[digest] = drawing = clean(svg=self._ask(text))
            while len(self._kept) > KEPT_MAX:
                self._kept.popitem(last=False)
            return drawing
        finally:
            self._turn.release()

    def close(self) -> None:
        """End the painter."""
        painter, self._painter = self._painter, None
        if painter is not None:
            painter.kill()
            painter.communicate()

    def _ask(self, text: str) -> str:
        if time.monotonic() < self._rests_until_s:
            raise DrawingFailed("The painter failed less than a minute ago.")
        within_s = ANSWERS_WITHIN_S if self._has_answered else STARTS_WITHIN_S
        try:
            answer = json.loads(_exchange(self._start(), f"{text}\n".encode(), within_s=within_s))
        except (OSError, ValueError) as error:
            self.close()
            self._rests_until_s = time.monotonic() + RESTS_S
            raise DrawingFailed(f"The painter failed: {error}") from error
        self._has_answered = True
        if "svg" not in answer:
            raise DrawingFailed(f"The spec cannot be drawn: {answer.get('failure')}")
        return str(answer["svg"])

    def _start(self) -> "subprocess.Popen[bytes]":
        if self._painter is None:
            self._has_answered = False
            # Our secrets stay out of its environment, and Ctrl-C in a terminal out of its session: it ends with us.
            self._painter = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={}, cwd="/", start_new_session=True
            )
        return self._painter


def _exchange(painter: "subprocess.Popen[bytes]", line: bytes, *, within_s: float) -> bytes:
    """Return the painter's line about a line; raises OSError when it ends or takes longer."""
    asks, answers = cast("IO[bytes]", painter.stdin), cast("IO[bytes]", painter.stdout)
    asks.write(line)
    asks.flush()
    readiness = select.poll()  # select itself knows no more than a thousand open files
    readiness.register(answers, select.POLLIN)
    answer, until_s = b"", time.monotonic() + within_s
    while not answer.endswith(b"\n"):
        if not readiness.poll(max(until_s - time.monotonic(), 0) * 1000):
            raise TimeoutError(f"no answer within {within_s:g} s")
        chunk = os.read(answers.fileno(), CHUNK_BYTES)
        if not chunk:
            raise ConnectionError("it has ended")
        answer += chunk
    return answer


def clean(*, svg: str) -> SafeString:
    """Return the content of an svg element with the elements and attributes of KEPT alone, numbers to a tenth.

    >>> clean(svg='<svg xmlns="http://www.w3.org/2000/svg"><g style="x"><path d="M0.123,4" onclick="x"/></g></svg>')
    '<path d="M0.1,4"/>'
    """
    root = ET.fromstring(svg)  # noqa: S314 - our own painter wrote it
    return mark_safe("".join(map(_write, root)))  # noqa: S308 - every text and attribute is escaped


def _write(element: ET.Element) -> str:
    name = element.tag.removeprefix(SVG)
    kept, role = KEPT.get(name), element.get("class", "")
    if kept is None or role in {"background", "foreground"}:
        return ""
    given = [(key, _LONG_NUMBER.sub(_round, value)) for key, value in element.items() if key in kept]
    attributes = "".join(f' {key}="{escape(value)}"' for key, value in given if value != "translate(0,0)")
    content = escape(element.text or "") + "".join(_write(child) for child in element)
    if name == "g" and not (attributes and content):
        return content
    return f"<{name}{attributes}>{content}</{name}>" if content else f"<{name}{attributes}/>"


def _round(number: re.Match[str]) -> str:
    return f"{round(float(number[0]), 1):g}"


STUDIO = Studio()
atexit.register(STUDIO.close)
