"""The claims that ship with Lilong: what a file of them says, and what a later release supersedes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lilong.common.canonical import canonical_json, sha256_hex
from lilong.platforms.stack.core.claims import Claim, Confidence, Source, Tier

ID_CHARACTERS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One file of claims. sha256: of the file, by which it is frozen."""

    number: int
    sha256: str
    claims: tuple[Claim, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Superseded:
    """A claim that no release has any more; by: the first that lacks it."""

    claim: Claim
    by: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipped:
    """What the newest release claims, and what earlier ones did, each with the release in which it came."""

    newest: Release
    claims: Mapping[str, Claim]
    superseded: Mapping[str, Superseded]


def read_release(*, document: Mapping[str, Any], sha256: str) -> Release:
    """Return what a parsed file says. A claim's id is made of what it says, so that it is the same in every release."""
    number: int = document["release"]
    sources = {
        each["id"]: Source(**{key: said for key, said in each.items() if key != "id"}) for each in document["source"]
    }
    claims = [claim for part in document["part"] for claim in _read_part(part, sources=sources, release=number)]
    return Release(number=number, sha256=sha256, claims=tuple(claims))


def merge_releases(releases: Sequence[Release]) -> Shipped:
    """Return what holds after these releases, oldest first: a claim of the newest holds, whichever had it first."""
    first: dict[str, Claim] = {}
    superseded: dict[str, Superseded] = {}
    for release in releases:
        now = {claim.id: claim for claim in release.claims}
        gone = {id_: claim for id_, claim in first.items() if id_ not in now and id_ not in superseded}
        superseded |= {id_: Superseded(claim=claim, by=release.number) for id_, claim in gone.items()}
        for id_, claim in now.items():
            superseded.pop(id_, None)
            first[id_] = replace(claim, release=first[id_].release if id_ in first else release.number)
    held = {claim.id: first[claim.id] for claim in releases[-1].claims}
    return Shipped(newest=releases[-1], claims=held, superseded=superseded)


def _read_part(part: Mapping[str, Any], *, sources: Mapping[str, Source], release: int) -> Iterator[Claim]:
    for said in part["claims"]:
        values: list[str] = said["value"] if isinstance(said["value"], list) else [said["value"]]
        for value in values:
            claim = Claim(
                id="",
                accelerator=part["id"],
                property=said["property"],
                value=value,
                conditions=said.get("conditions", ""),
                tier=Tier(said.get("tier", part["tier"])),
                confidence=Confidence(said.get("confidence", part["confidence"])),
                sources=tuple(sources[name] for name in said.get("sources", part["sources"])),
                note=said.get("note", ""),
                release=release,
            )
            yield replace(claim, id=_name_claim(claim))


def _name_claim(claim: Claim) -> str:
    """Return an id made of everything but the note, which may be put better without another claim being made."""
    says = {
        "accelerator": claim.accelerator,
        "property": claim.property,
        "value": claim.value,
        "conditions": claim.conditions,
        "tier": claim.tier,
        "confidence": claim.confidence,
        "sources": [[source.title, source.url, source.commit, str(source.dated_on or "")] for source in claim.sources],
    }
    return f"clm_{sha256_hex(canonical_json(says))[:ID_CHARACTERS]}"
