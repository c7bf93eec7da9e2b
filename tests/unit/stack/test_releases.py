"""Claims that ship with Lilong: what a file says, and what the next one supersedes."""

from dataclasses import replace

import pytest

from lilong.platforms.stack import queries
from lilong.platforms.stack.core.checks import Draft, check_draft
from lilong.platforms.stack.core.releases import merge_releases, read_release
from lilong.platforms.stack.queries import RELEASES, ReleaseAltered, load_shipped
from lilong.protocol.accelerators import list_accelerators
from tests.people import NOW


def make(number, *values, note=""):
    """Return a release that claims these amounts of memory."""
    claims = [{"property": "memory_gb", "value": value, "note": note} for value in values]
    part = {"id": "l40s", "tier": "datasheet", "confidence": "high", "sources": ["maker"], "claims": claims}
    document = {"release": number, "source": [{"id": "maker", "title": "The maker"}], "part": [part]}
    return read_release(document=document, sha256=str(number))


def test_a_later_release_supersedes_what_it_does_not_repeat_and_loses_nothing():
    shipped = merge_releases([make(1, "48", "64"), make(2, "48"), make(3, "48", "96")])

    assert {claim.value: claim.release for claim in shipped.claims.values()} == {"48": 1, "96": 3}
    assert [(each.claim.value, each.by) for each in shipped.superseded.values()] == [("64", 2)]
    assert shipped.newest.number == 3


def test_a_claim_that_comes_back_holds_again():
    shipped = merge_releases([make(1, "48", "64"), make(2, "48"), make(3, "48", "64")])

    assert {claim.value: claim.release for claim in shipped.claims.values()} == {"48": 1, "64": 1}
    assert not shipped.superseded


def test_a_claim_keeps_its_id_from_release_to_release_even_where_its_note_is_put_better():
    first, second = make(1, "48"), make(2, "48", note="of GDDR6")

    assert first.claims[0].id == second.claims[0].id
    assert merge_releases([first, second]).claims[first.claims[0].id].note == "of GDDR6"


def test_a_file_that_is_not_the_one_that_was_released_is_refused(monkeypatch):
    monkeypatch.setattr(queries, "RELEASES", dict.fromkeys(RELEASES, "0" * 64))
    load_shipped.cache_clear()
    try:
        with pytest.raises(ReleaseAltered):
            load_shipped()
    finally:
        load_shipped.cache_clear()


def test_every_claim_that_ships_passes_the_checks_of_those_that_are_added():
    shipped = load_shipped()
    for claim in shipped.claims.values():
        for source in claim.sources:
            draft = Draft(
                property=claim.property,
                value=claim.value,
                conditions=claim.conditions,
                tier=claim.tier,
                confidence=claim.confidence,
                source=source,
                note=claim.note,
            )
            assert check_draft(draft=draft, today=NOW.date()) == claim.value, claim


def test_what_ships_is_of_known_accelerators_and_says_nothing_twice():
    release = load_shipped().newest

    assert {claim.accelerator for claim in release.claims} == {each.id for each in list_accelerators()}
    assert len({claim.id for claim in release.claims}) == len(release.claims)
    said = [replace(claim, id="", tier=claim.tier, note="") for claim in release.claims]
    assert len(set(said)) == len(said)


def test_the_country_that_is_claimed_is_that_of_the_registry():
    countries = {
        claim.accelerator: claim.value for claim in load_shipped().claims.values() if claim.property == "vendor_country"
    }

    assert countries == {each.id: each.country for each in list_accelerators()}
