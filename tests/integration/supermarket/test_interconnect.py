"""Two nodes of a measurement really exchange what the nonce draws, and the hub believes nothing else."""

import base64
import json
import socket
from dataclasses import replace
from random import Random

import pytest

from lilong.platforms.supermarket.core.measuring.method import METRICS, build_spec, count_nodes, make_plan
from lilong.platforms.supermarket.core.measuring.report import ReportRefused, check_report
from lilong.platforms.supermarket.core.pricing import Shape, Unit
from lilong.platforms.supermarket.models import Measurement, Order
from lilong.platforms.supermarket.services.measuring import order_measurement
from lilong.protocol.spec import Isolation, Network
from lilong.protocol.spec_rules import find_spec_problems
from tests.market import CREDIT, open_stall, pay_in, wallet_of
from tests.measuring import PAIR, SMALL, run_pair, run_program, seal
from tests.polling import wait_until
from tests.pools import at, make_inventory, make_node

CORE = Shape(unit=Unit.CORE, cores=1, memory_mib=4096)
BOTH = {"interconnect", "interconnect_latency"}


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return run_pair(folder=tmp_path_factory.mktemp("pair"))


def check(content, *, plan=PAIR):
    return check_report(content=content, plan=plan, chance=Random(7))


def test_two_nodes_measure_how_fast_they_exchange_and_how_long_a_message_takes(report):
    findings = check(report)

    assert set(findings.spreads) >= BOTH
    assert {"memory", "disk_read"} <= set(findings.spreads)
    assert not BOTH & set(findings.not_measured)
    latency = findings.spreads["interconnect_latency"]
    assert 0 < latency.lowest <= latency.micro <= latency.highest < 100_000 * 10**6  # a tenth of a second
    assert METRICS["interconnect_latency"].reckon(work=400, spent_ns=20_000_000) == 50 * 10**6


def change_piece(said):
    digests = bytearray(base64.b64decode(said["measured"]["interconnect"]["commitments"][1]))
    digests[-1] ^= 1
    said["measured"]["interconnect"]["commitments"][1] = base64.b64encode(digests).decode()


TAMPERED = {
    "a piece that was not drawn": (change_piece, "not what was drawn"),
    "an exchange fewer": (lambda said: said["measured"]["interconnect"]["commitments"].pop(), "not proven"),
    "more than was exchanged": (lambda said: said["measured"]["interconnect"].update(bytes=10**9), "not proven"),
    "half of the pieces": (lambda said: said["measured"]["interconnect"].update(commitments=["AAAA"] * 3), "form"),
    "no messages": (lambda said: said["measured"]["interconnect_latency"].pop("messages"), "how much work"),
}


@pytest.mark.parametrize("name", sorted(TAMPERED))
def test_a_tampered_exchange_is_refused(report, name):
    tamper, why = TAMPERED[name]
    said = json.loads(report)
    tamper(said)
    with pytest.raises(ReportRefused, match=why):
        check(seal(said))


def test_an_old_exchange_under_a_new_nonce_is_refused(report):
    said = json.loads(report)
    said["measured"] = {name: said["measured"][name] for name in BOTH}
    fresh = "00" * 32
    with pytest.raises(ReportRefused, match="not what was drawn"):
        check_report(content=seal({**said, "nonce": fresh}), plan=replace(PAIR, nonce=fresh), chance=Random(7))


def test_without_the_second_node_the_rest_is_measured_and_it_says_why(tmp_path):
    findings = check(run_pair(folder=tmp_path, present=(0,), wait_s=1))

    assert set(findings.not_measured) >= BOTH
    assert findings.not_measured["interconnect"].startswith("TimeoutError")
    assert "memory" in findings.spreads


def intrude(rendezvous):
    """Come before the second node, with a word that is not its own."""
    place = rendezvous / "measuring.json"
    wait_until(place.exists, within_s=60)
    port = json.loads(place.read_text())["port"]
    with socket.create_connection(("127.0.0.1", port), timeout=60) as stranger:
        stranger.sendall(bytes(32))
        assert stranger.recv(1) == b""


def test_whoever_else_comes_first_is_sent_away_and_the_second_node_is_heard(tmp_path):
    findings = check(run_pair(folder=tmp_path, first=intrude))

    assert set(findings.spreads) >= BOTH


def test_on_one_node_it_says_so_and_figures_of_two_are_refused(tmp_path, report):
    alone = run_program(folder=tmp_path)
    assert "one node" in check(alone, plan=SMALL).not_measured["interconnect"]

    said = {**json.loads(report), "measured": {"interconnect": json.loads(report)["measured"]["interconnect"]}}
    with pytest.raises(ReportRefused, match="not what was asked for"):
        check(seal(said), plan=SMALL)


@pytest.mark.parametrize(
    ("able", "nodes", "counted"),
    [
        ({"gang": True, "network": True}, [make_node(name="a"), make_node(name="b"), make_node(name="c")], 2),
        ({"gang": True, "network": True}, [make_node(name="a"), make_node(name="b", memory_mib=1024)], 1),
        ({"gang": False, "network": True}, [make_node(name="a"), make_node(name="b")], 1),
        ({"gang": True, "network": False}, [make_node(name="a"), make_node(name="b")], 1),
    ],
)
def test_two_nodes_are_asked_for_only_where_a_job_may_have_both_and_their_network(able, nodes, counted):
    inventory = make_inventory(nodes=nodes, **able)

    assert count_nodes(inventory=inventory, accelerator="", shape=CORE) == counted
    assert count_nodes(inventory=None, accelerator="", shape=CORE) == 1


def test_a_job_on_two_nodes_is_trusted_and_has_their_network_and_one_on_one_node_has_neither():
    for nodes, network, isolation in ((2, Network.OUTBOUND, Isolation.TRUSTED), (1, Network.NONE, Isolation.UNTRUSTED)):
        spec = build_spec(
            plan=make_plan(nonce="ab" * 32, accelerator="", shape=CORE, nodes=nodes),
            accelerator="",
            shape=CORE,
            program_sha256="0" * 64,
            profiles=["python3"],
            requirements=[],
        )
        assert (spec.nodes, spec.network, spec.isolation) == (nodes, network, isolation)
        assert find_spec_problems(spec) == []


@pytest.mark.django_db
def test_a_pool_with_two_nodes_and_a_network_is_measured_on_both_and_paid_for_both(settings):
    settings.LILONG = settings.LILONG.model_copy(update={"measuring_requirements": ()})
    stall = open_stall()
    nodes = [make_node(name="a"), make_node(name="b")]
    stall.agent.sync(seconds=1, inventory=make_inventory(seconds=1, nodes=nodes, network=True))
    pay_in(wallet_of(stall.owner), 10 * CREDIT)
    order_id = order_measurement(actor=stall.owner, offer_id=stall.offer_id, request_name=None, now=at(2))

    assert Measurement.objects.get().parameters["nodes"] == 2
    order = Order.objects.get(id=order_id)
    assert order.spec["nodes"] == 2
    assert json.loads(order.quote.document)["offers"][0]["units"] == 2
