"""Judge what `proof.py` printed in a sandbox: the first thing that it let through, or nothing. Pure."""

import json
from collections.abc import Collection, Mapping

PROOF_PROCESSES_MAX = 32
_PLAIN_DEVICES = frozenset(f"/dev/{name}" for name in ("full", "null", "random", "tty", "urandom", "zero"))


def read_verdict(*, output: str, end: Mapping[str, object], devices: Collection[str] = ()) -> str:
    """Return why the sandbox does not hold, by the log and the end of the rank that ran the proof; empty if it does.

    devices: those of accelerators that it was to show.
    """
    if not output.startswith("{"):
        return f"{end.get('cause')} {end.get('detail')} {output[-300:]}".strip()
    facts: object = json.loads(output.splitlines()[0])
    return judge_proof(facts, devices=devices) if isinstance(facts, dict) else "it printed no facts"  # pyright: ignore[reportUnknownArgumentType]


def judge_proof(facts: Mapping[str, object], *, devices: Collection[str] = ()) -> str:
    """Return the first thing that a sandbox let through or kept away, or an empty text.

    >>> judge_proof({"sees_hidden": True})
    "a job sees the agent's files"
    """
    forks, found = facts.get("forks"), facts.get("devices")
    expected = _PLAIN_DEVICES | frozenset(devices)
    seen = frozenset(map(str, found)) if isinstance(found, list) else None  # pyright: ignore[reportUnknownArgumentType]
    leaks = (
        (facts.get("sees_hidden") is not False, "a job sees the agent's files"),
        (facts.get("reaches_network") is not False, "a job reaches this machine's network"),
        (facts.get("interfaces") != ["lo"], "a job sees network interfaces"),
        (facts.get("writes_system") != [], f"a job may write to {facts.get('writes_system')}"),
        (facts.get("writes_work") is not True, "a job cannot write to its work folder"),
        (facts.get("capabilities") != 0, "a job has capabilities"),
        (facts.get("no_new_privileges") is not True, "a job may gain privileges"),
        (facts.get("filtered") is not True, "the system-call filter does not hold"),
        (facts.get("user_namespaces") is not False, "a job may make user namespaces"),
        (not isinstance(facts.get("processes"), int) or facts["processes"] not in range(1, 6), "it sees processes"),
        (seen is None or seen - expected, f"a job sees {_name(seen, expected)}, which it was not given"),
        (seen is None or expected - seen, f"a job does not see {_name(expected, seen)}, which it was given"),
        (facts.get("unusable_devices") != [], _tell_unusable(facts.get("unusable_devices"))),
        (not isinstance(forks, int) or forks not in range(1, PROOF_PROCESSES_MAX), "the process limit does not hold"),
    )
    return next((text for leaked, text in leaks if leaked), "")


def _name(devices: Collection[str] | None, known: Collection[str] | None) -> str:
    return ", ".join(sorted(frozenset(devices or ()) - frozenset(known or ()))) or "devices"


def _tell_unusable(devices: object) -> str:
    named = ", ".join(map(str, devices)) if isinstance(devices, list) else "devices"  # pyright: ignore[reportUnknownArgumentType]
    return f"a job may not read and write {named}: put the users of jobs into the group that owns them"
