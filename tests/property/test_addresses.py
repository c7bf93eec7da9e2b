"""No address that is not public passes, however it is written; public ones do."""

from ipaddress import IPv4Address, IPv6Address, ip_network

from hypothesis import given
from hypothesis import strategies as st

from lilong.foundation.notices.core.addresses import REFUSED, refuse_address
from lilong.foundation.notices.core.endpoints import Endpoint, read_endpoint

v4 = st.integers(0, 2**32 - 1).map(IPv4Address)
v6 = st.integers(0, 2**128 - 1).map(IPv6Address)
unicast = st.integers(2**125, 2**126 - 1).map(IPv6Address)


@st.composite
def inside(draw):
    network = draw(st.sampled_from(REFUSED))
    return network[draw(st.integers(0, network.num_addresses - 1))]


@given(inside())
def test_nothing_of_a_special_network_passes(address):
    assert refuse_address(address=str(address))


@given(v4)
def test_no_way_to_write_an_ipv4_address_in_ipv6_passes(address):
    number = int(address)
    for prefix in ("::", "::ffff:0:0", "::ffff:0:0:0", "64:ff9b::", "64:ff9b:1::"):
        assert refuse_address(address=str(IPv6Address(int(IPv6Address(prefix)) + number)))
    assert refuse_address(address=str(IPv6Address((0x2002 << 112) + (number << 80))))


@given(st.one_of(v4, v6, unicast))
def test_what_passes_is_global_unicast_by_the_standard_library_too(address):
    if not refuse_address(address=str(address)):
        assert address.is_global
        assert not address.is_multicast
        assert not address.is_private
        assert not address.is_reserved


@given(
    v4.filter(lambda address: address.is_global and not any(address in each for each in REFUSED if each.version == 4))
)
def test_public_ipv4_addresses_pass(address):
    assert refuse_address(address=str(address)) == ""


@given(v4, st.integers(8, 32))
def test_an_operator_allows_exactly_the_networks_named(address, length):
    network = ip_network((int(address), length), strict=False)

    assert refuse_address(address=str(network[0]), allowed=[str(network)]) == ""
    assert refuse_address(address="127.0.0.1", allowed=["10.0.0.0/8"])


@given(st.text(max_size=60))
def test_any_text_is_an_endpoint_or_a_reason(text):
    for url in (text, f"https://{text}", f"https://example.org/{text}"):
        found = read_endpoint(url=url)
        if isinstance(found, Endpoint):
            assert found.host == found.host.lower()
            assert found.target.startswith("/")
            assert not set(found.host + found.target) & set(" \r\n\t\0")
        else:
            assert found.startswith("It ")


@given(v4)
def test_an_address_is_no_name_however_it_is_written(address):
    for written in (str(address), str(int(address)), hex(int(address)), f"{address}."):
        assert isinstance(read_endpoint(url=f"https://{written}/"), str)
