"""No figure of the survey was mistyped: each cell is claimed, and nothing is claimed that the survey does not say.

The survey is a file that does not come with Lilong. LILONG_TEST_FACTS names the folder that holds accelerators.csv;
without it nothing is collected here.
"""

import csv
import os
import re
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import pytest

from lilong.platforms.stack.core.claims import CONFIDENCE_RANKS, Confidence, Tier
from lilong.platforms.stack.queries import load_shipped
from lilong.protocol.accelerators import resolve

NUMBERS = {
    "memory_gb": "memory_gb",
    "memory_bandwidth_gb_s": "mem_bw_gb_s",
    "fp16_bf16_dense_tflops": "fp16_bf16_dense_tflops",
    "release_year": "release_year",
}
ELSEWHERE = {"dense_tflops_of_unstated_precision": "fp16_bf16_dense_tflops", "fp8_dense_tflops": "conflict_note"}
TEXTS = {
    "memory_type": "memory_type",
    "interconnect": "interconnect",
    "vendor_country": "country_of_vendor",
    "software_stack": "software_stack",
    "framework": "frameworks_and_engines",
}
UNITS = {"TB/s": 1000, "PFLOPS": 1000}
NUMBER = re.compile(r"\d+(?:\.\d+)?")
OTHER_NUMBERS = {
    # In the column of the peak: a sparse peak and a count of cards are no claims about it.
    ("wse-3", "fp16_bf16_dense_tflops"): {Decimal(125)},
}


def read_rows():
    with Path(os.environ["LILONG_TEST_FACTS"], "accelerators.csv").open(encoding="utf-8", newline="") as file:
        return [(resolve(row["chip"]).id, row) for row in csv.DictReader(file)]


ROWS = read_rows()
EVERY_ROW = pytest.mark.parametrize(("accelerator", "row"), ROWS, ids=[accelerator for accelerator, _ in ROWS])


def list_claims(accelerator):
    claims = defaultdict(list)
    for claim in load_shipped().newest.claims:
        if claim.accelerator == accelerator:
            claims[claim.property].append(claim)
    return claims


def read_numbers(text):
    plain = re.sub(r"\b(BF16|FP16|FP8|FP32|FP64|Hot Chips 34|8-card|BI150)\b", "", text)
    numbers = {Decimal(each) for each in NUMBER.findall(plain)}
    for unit, factor in UNITS.items():
        numbers |= {Decimal(each) * factor for each in re.findall(rf"(\d+(?:\.\d+)?) {unit}", text)}
    return numbers


def fold(text):
    return re.sub(r"[\s();,]+", "", text).casefold()


@EVERY_ROW
def test_every_number_of_a_cell_is_claimed(accelerator, row):
    claims = list_claims(accelerator)
    for code, column in NUMBERS.items():
        said = claims[code] + [each for other, of in ELSEWHERE.items() if of == column for each in claims[other]]
        values = [claim.read_number() for claim in said]
        cell = row[column].partition("not published")[0]
        for number in read_numbers(cell) - OTHER_NUMBERS.get((accelerator, code), set()):
            places = -int(number.as_tuple().exponent)
            assert any(round(value, places) == number for value in values), f"{column}: {number} of {cell!r}"
        if not cell.strip():
            assert all(claim.confidence is Confidence.LOW for claim in claims[code]), f"{column} is empty"


@EVERY_ROW
def test_no_number_is_claimed_that_the_row_does_not_say(accelerator, row):
    claims = list_claims(accelerator)
    for code in (*NUMBERS, *ELSEWHERE):
        column = NUMBERS.get(code) or ELSEWHERE[code]
        told = read_numbers(row[column]) | read_numbers(row["conflict_note"]) | read_numbers(row["source"])
        if code == "memory_gb" and "120259084288" in row["conflict_note"]:
            told.add(Decimal(120259084288) / 2**30)
        for claim in claims[code]:
            assert claim.read_number() in told, claim


@EVERY_ROW
def test_every_text_of_a_cell_is_claimed_and_no_other_but_what_the_conflicts_name(accelerator, row):
    claims = list_claims(accelerator)
    for code, column in TEXTS.items():
        said = {fold(claim.value + claim.conditions) for claim in claims[code]}
        cell = re.sub(r"\((TechPowerUp|evokernel|secondary|disputed)\)", "", row[column])
        if code == "memory_type":
            parts = re.split(r"\s*/\s*", cell)
        elif code in {"framework", "software_stack"}:
            parts = re.split(r";(?![^(]*\))", cell)
        else:
            parts = [cell]
        wanted = {fold(part) for part in parts} - {""}
        assert wanted <= said, f"{column}: {wanted - said}"
        for value in said - wanted:
            numbers = NUMBER.findall(value)
            assert numbers, f"{column}: {value}"
            assert all(number in row["conflict_note"] for number in numbers), f"{column}: {value}"


@EVERY_ROW
def test_no_claim_is_surer_than_the_survey_and_what_was_measured_is_called_so(accelerator, row):
    words = re.findall(r"\b(?:medium-high|low-medium|high|medium|low)\b", row["confidence"])
    most = min(CONFIDENCE_RANKS[word] for word in words)
    claims = [claim for each in list_claims(accelerator).values() for claim in each]

    assert min(CONFIDENCE_RANKS[claim.confidence] for claim in claims) == most
    assert any(claim.tier is Tier.MEASURED for claim in claims) is (
        "FlagPerf" in row["source"] and "A100" not in row["chip"]
    )


@EVERY_ROW
def test_every_address_of_a_source_is_one_of_the_survey(accelerator, row):
    claims = [claim for each in list_claims(accelerator).values() for claim in each]
    for source in {source for claim in claims for source in claim.sources if source.url}:
        owner_and_name = source.url.removeprefix("https://github.com/")
        known = row["source"] + row["conflict_note"]
        is_named = (
            source.url in known or owner_and_name in known or source.title.split(",")[0].split("-spec")[0] in known
        )
        is_paddle = source.title.startswith("PaddlePaddle") and "Paddle" in known
        is_hami = source.title.startswith("HAMi") and "HAMi" in known
        assert is_named or is_paddle or is_hami, source


def test_the_survey_speaks_of_every_accelerator():
    assert {accelerator for accelerator, _ in ROWS} == {claim.accelerator for claim in load_shipped().newest.claims}
