"""Where the hub stands beside what its witnesses have seen: it never continues a log behind a published head."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from lilong.common.errors import LilongError
from lilong.common.sentences import say
from lilong.foundation.record.core.witnesses import Standing, WitnessAddress, judge_standing
from lilong.foundation.record.models import Log, Witness
from lilong.foundation.record.queries.heads import (
    count_required,
    find_open_log,
    find_published_head,
    list_witnesses,
)
from lilong.foundation.record.queries.status import count_confirmed
from lilong.foundation.record.queries.trees import get_root
from lilong.foundation.record.services.key_files import list_public_keys
from lilong.foundation.record.services.logs import name_log, open_log_after_restore
from lilong.foundation.record.witness_client import WitnessUnreachable, fetch_last_note
from lilong.protocol.checkpoint import (
    Checkpoint,
    KeyKind,
    SignatureWrong,
    VerifierKey,
    list_signers,
    parse_checkpoint,
    parse_note,
)

CHECK_EVERY = timedelta(seconds=60)
RETRY_AFTER = timedelta(seconds=10)
RETRY_AGAIN_AFTER = timedelta(seconds=30)
LOGS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class SeenHead:
    """A head of one of our logs, by the log's number, that a witness cosigned."""

    number: int
    note: str
    checkpoint: Checkpoint


def confirm_standing(*, now: datetime) -> bool:
    """Ask the witnesses that were not asked lately; say whether enough confirm that our log is the newest they know.

    When one has seen more of our log than we have, or something else, another log is opened that names what it saw.
    """
    log = find_open_log()
    if log is None:
        return True
    seen: list[SeenHead] = []
    for witness in list_due_witnesses(now=now, every=CHECK_EVERY):
        try:
            heads = list(_list_seen_heads(witness, log))
        except (WitnessUnreachable, LilongError) as error:
            note_problem(witness=witness, problem=str(error), now=now)
            continue
        ahead = [head for head in heads if head.number > log.number or _judge(log, head) is not Standing.LEVEL]
        if ahead:
            seen.append(ahead[-1])
        else:
            note_confirmed(witness=witness, now=now)
    if seen:
        furthest = max(seen, key=lambda head: (head.number, head.checkpoint.size))
        number = max(furthest.number, log.number) + 1
        open_log_after_restore(number=number, follows_note=furthest.note, now=now)
        return confirm_standing(now=now)
    return count_confirmed(now=now, within=CHECK_EVERY) >= count_required()


def begin_restore(*, now: datetime) -> int:
    """Close the log of a restored hub, open another that names the newest head that anybody knows; return its number.

    Witnesses that do not answer are asked again before the next head is signed: see `confirm_standing`.
    """
    log = find_open_log()
    if log is None:
        return 0
    own = find_published_head(log=log)
    seen: list[SeenHead] = []
    for witness in list_witnesses():
        try:
            seen.extend(_list_seen_heads(witness, log))
        except (WitnessUnreachable, LilongError) as error:
            note_problem(witness=witness, problem=str(error), now=now)
    if not seen:
        number, note = log.number, own.note if own else ""
    else:
        furthest = max(seen, key=lambda head: (head.number, head.checkpoint.size))
        number, note = furthest.number, furthest.note
    return open_log_after_restore(number=number + 1, follows_note=note, now=now).number


def list_due_witnesses(*, now: datetime, every: timedelta) -> list[WitnessAddress]:
    """Return the witnesses that did not confirm our log within `every`, but for those that just failed to answer."""
    known = {row.key: row for row in Witness.objects.all()}
    due: list[WitnessAddress] = []
    for witness in list_witnesses():
        row = known.get(witness.key.text)
        waits = row is not None and row.retry_at is not None and row.retry_at > now
        fresh = row is not None and row.checked_at is not None and row.checked_at > now - every
        if not waits and not fresh:
            due.append(witness)
    return due


def note_confirmed(*, witness: WitnessAddress, now: datetime) -> None:
    """Remember that the witness knows no head beyond ours."""
    _note(witness, {"checked_at": now, "problem": "", "retry_at": None})


def note_problem(*, witness: WitnessAddress, problem: str, now: datetime) -> None:
    """Remember what went wrong, and leave the witness alone for a while."""
    again = Witness.objects.filter(key=witness.key.text).exclude(problem="").exists()
    pause = RETRY_AGAIN_AFTER if again else RETRY_AFTER
    _note(witness, {"problem": problem[:500], "retry_at": now + pause})


def note_doubt(*, witness: WitnessAddress) -> None:
    """Remember that the witness refused to continue our log: before anything else is signed, it is asked why."""
    _note(witness, {"checked_at": None, "retry_at": None})


def _note(witness: WitnessAddress, changes: dict[str, datetime | str | None]) -> None:
    with transaction.atomic():
        Witness.objects.update_or_create(key=witness.key.text, defaults=changes)


def _judge(log: Log, head: SeenHead) -> Standing:
    told = head.checkpoint
    own_root = get_root(log=log, size=told.size) if 0 < told.size <= log.size else None
    return judge_standing(told=told, own_size=log.size, own_root=own_root)


def _list_seen_heads(witness: WitnessAddress, log: Log) -> Iterator[SeenHead]:
    """Yield what a witness has cosigned of our open log and of logs opened after it."""
    public_keys = list_public_keys()
    for number in range(log.number, LOGS_MAX):
        origin = name_log(number=number) if number != log.number else log.origin
        text = fetch_last_note(url=witness.url, origin=origin)
        if text:
            note = parse_note(text)
            checkpoint = parse_checkpoint(note.body)
            ours = [VerifierKey(name=origin, kind=KeyKind.LOG, public_key=key) for key in public_keys]
            signers = list_signers(note=note, keys=[*ours, witness.key])
            if checkpoint.origin != origin or witness.key not in signers or not set(ours) & set(signers):
                raise SignatureWrong(detail=say("The witness tells a head that we did not sign or it did not cosign."))
            yield SeenHead(number=number, note=text, checkpoint=checkpoint)
        elif number > log.number:
            return
