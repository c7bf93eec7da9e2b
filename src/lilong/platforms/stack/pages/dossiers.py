"""What is claimed of accelerators as pages show it, each claim with its words. `web` puts the pages together."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lilong.common.permissions import Actor
from lilong.platforms.stack.core.claims import Claim, Finding
from lilong.platforms.stack.core.properties import PROPERTIES as KNOWN
from lilong.platforms.stack.core.properties import Kind, Property
from lilong.platforms.stack.pages.words import CONFIDENCES, MEANINGS, PROPERTIES, TIERS
from lilong.platforms.stack.queries import COMPARED, ClaimView, Dossier, get_dossier, list_dossiers
from lilong.protocol.accelerators import Accelerator

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimLine:
    """A claim in the words of pages; of names, all that the same sources say in the same way."""

    claims: tuple[Claim, ...]
    kind: Kind
    unit: str
    tier: "_StrOrPromise"
    confidence: "_StrOrPromise"
    is_conflicting: bool

    @property
    def claim(self) -> Claim:
        """The claim, or the first of those that are said in the same way."""
        return self.claims[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingRow:
    """One property: its name, what it means, and the claims about it, best first."""

    label: "_StrOrPromise"
    meaning: "_StrOrPromise"
    lines: tuple[ClaimLine, ...]
    is_disputed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedLine:
    """A claim that holds no more, with the name of its property."""

    label: "_StrOrPromise"
    view: ClaimView
    line: ClaimLine


@dataclass(frozen=True, slots=True, kw_only=True)
class DossierSheet:
    """The page of one accelerator. figures: its properties; names: what runs on it."""

    dossier: Dossier
    figures: tuple[FindingRow, ...]
    names: tuple[FindingRow, ...]
    ended: tuple[EndedLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One accelerator in the list. best: its best claim by property; stacks: the names of its software."""

    accelerator: Accelerator
    best: Mapping[str, ClaimLine]
    stacks: tuple[Claim, ...]


def read_sheet(*, actor: Actor, name: str) -> DossierSheet:
    """Return the page of one accelerator, by any of its names. Two queries. Raises AcceleratorMissing."""
    dossier = get_dossier(actor=actor, name=name)
    return DossierSheet(
        dossier=dossier,
        figures=_build_rows(each for each in dossier.findings if each.property.kind is not Kind.NAME),
        names=_build_rows(each for each in dossier.findings if each.property.kind is Kind.NAME),
        ended=tuple(
            EndedLine(
                label=PROPERTIES[view.claim.property],
                view=view,
                line=_build_line((view.claim,), known=KNOWN[view.claim.property], is_conflicting=False),
            )
            for view in dossier.ended
        ),
    )


def list_comparisons(*, actor: Actor) -> list[Comparison]:
    """Return all accelerators with the best claims about what is compared. Two queries."""
    return [_compare(dossier) for dossier in list_dossiers(actor=actor, properties=COMPARED)]


def _compare(dossier: Dossier) -> Comparison:
    best: dict[str, ClaimLine] = {}
    stacks: tuple[Claim, ...] = ()
    for finding in dossier.findings:
        if finding.property.kind is Kind.NAME:
            stacks = finding.claims
        else:
            best[finding.property.code] = _build_lines(finding)[0]
    return Comparison(accelerator=dossier.accelerator, best=best, stacks=stacks)


def _build_rows(findings: Iterable[Finding]) -> tuple[FindingRow, ...]:
    return tuple(
        FindingRow(
            label=PROPERTIES[finding.property.code],
            meaning=MEANINGS.get(finding.property.code, ""),
            lines=_build_lines(finding),
            is_disputed=bool(finding.conflicting),
        )
        for finding in findings
    )


def _build_lines(finding: Finding) -> tuple[ClaimLine, ...]:
    known = finding.property
    if known.kind is not Kind.NAME:
        return tuple(
            _build_line((claim,), known=known, is_conflicting=claim.id in finding.conflicting)
            for claim in finding.claims
        )
    alike: dict[object, list[Claim]] = {}
    for claim in finding.claims:
        how = (claim.tier, claim.confidence, claim.sources, claim.note, claim.added_at)
        alike.setdefault(how, []).append(claim)
    return tuple(_build_line(tuple(claims), known=known, is_conflicting=False) for claims in alike.values())


def _build_line(claims: tuple[Claim, ...], *, known: Property, is_conflicting: bool) -> ClaimLine:
    claim = claims[0]
    return ClaimLine(
        claims=claims,
        kind=known.kind,
        unit=known.unit,
        tier=TIERS[claim.tier],
        confidence=CONFIDENCES[claim.confidence],
        is_conflicting=is_conflicting,
    )
