"""Papers as PDF, set by typst in a process of its own (`typesetter.py`): bounded in time, memory and number.

Texts reach the template as data and are never markup. Equal templates, texts and fonts make equal bytes.
"""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from lilong.common.errors import EngineBusy, EngineRefused
from lilong.common.sentences import say

TYPESETTER = (sys.executable, "-I", str(Path(__file__).with_name("typesetter.py")))
SETS_WITHIN_S, TURN_WITHIN_S = 30.0, 10.0
AT_ONCE = 2
FONT_MISSING = 3
HAN_FAMILIES = ("Noto Serif CJK SC", "Noto Sans CJK SC", "Source Han Serif SC", "Source Han Sans SC")
"""Fonts with Chinese characters that papers are set in, the first that there is."""

_HAN = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]|[\U00020000-\U0003ffff]")
_turns = threading.BoundedSemaphore(AT_ONCE)


class FontMissing(EngineRefused):
    """A paper has Chinese characters, and this machine has no font with them."""

    code = "paper.font_missing"
    title = "The hub has no font with Chinese characters"
    status = 503
    next_step = "Ask the operator to install fonts-noto-cjk on the hub's machine; papers in Latin letters need it not."


class TypesetterBusy(EngineBusy):
    """Others' papers take long."""

    code = "paper.busy"
    title = "Other papers are being set"
    next_step = "Ask again in a moment."


class PaperNotSet(EngineRefused):
    """The typesetter failed or took too long."""

    code = "paper.not_set"
    title = "This paper could not be set"
    status = 503
    next_step = "Ask again; if it stays, tell the operator, whose log has the reason. The document itself is whole."


def set_paper(*, template: str, paper: Mapping[str, object]) -> bytes:
    """Return the PDF of a template, which reads `paper` as JSON from `sys.inputs.paper`.

    Raises FontMissing, TypesetterBusy after TURN_WITHIN_S without a turn, PaperNotSet after SETS_WITHIN_S. Costs a
    process each: about a third of a second, and more from thousands of lines on.
    """
    text = json.dumps(
        {"template": template, "paper": paper, "needs_one_of": HAN_FAMILIES if _needs_han(paper) else ()},
        ensure_ascii=False,
    )
    if not _turns.acquire(timeout=TURN_WITHIN_S):
        raise TypesetterBusy(retry_after_s=int(TURN_WITHIN_S))
    try:
        return _run(text)
    finally:
        _turns.release()


def has_han_font() -> bool:
    """Say whether papers with Chinese characters can be set here; sets one."""
    try:
        set_paper(template="#set page(height: auto)\n#json(bytes(sys.inputs.paper)).text", paper={"text": "枢纽"})
    except FontMissing:
        return False
    return True


def _run(text: str) -> bytes:
    # Our secrets stay out of its environment, and Ctrl-C in a terminal out of its session: it ends with its paper.
    try:
        done = subprocess.run(
            TYPESETTER,
            input=text.encode(),
            capture_output=True,
            env={},
            cwd="/",
            timeout=SETS_WITHIN_S,
            start_new_session=True,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PaperNotSet(detail=say("The typesetter did not answer.")) from error
    if done.returncode == FONT_MISSING:
        raise FontMissing
    if done.returncode or not done.stdout.startswith(b"%PDF-"):
        raise PaperNotSet(detail=say("The typesetter ended with {code}.", code=done.returncode)) from RuntimeError(
            done.stderr.decode(errors="replace")[-2000:]
        )
    return done.stdout


def _needs_han(paper: object) -> bool:
    return bool(_HAN.search(json.dumps(paper, ensure_ascii=False)))
