"""Laws of packets: extract is total and undoes build; checksums agree with the definition; the cache is exact."""

from hypothesis import given, settings
from hypothesis import strategies as st

from datapath.packet.build import build
from datapath.packet.checksum import checksum, ones_sum, update
from datapath.packet.execute import Packet, set_fields
from datapath.packet.extract import METADATA_FIELDS, extract
from datapath.packet.flowkey import FlowKey, masked
from datapath.userspace import cache as c
from tests.kit.packets import flow_keys, masks, nearly_frames

SETTINGS = settings(deadline=None)  # the machine may be busy
METADATA = FlowKey(in_port=7, recirc_id=3, tun_id=5, skb_mark=9)


@SETTINGS
@given(flow_keys(), st.binary(max_size=30))
def test_extract_undoes_build(key: FlowKey, payload: bytes) -> None:
    assert extract(build(key, payload)) == key


@SETTINGS
@given(st.one_of(st.binary(max_size=200), nearly_frames()))
def test_any_bytes_have_a_key(frame: bytes) -> None:
    key = extract(frame, METADATA)
    assert key[:METADATA_FIELDS] == METADATA[:METADATA_FIELDS]
    assert all(field >= 0 for field in key)


def naive_sum(data: bytes) -> int:
    total = sum(int.from_bytes(data[at : at + 2].ljust(2, b"\0"), "big") for at in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


@SETTINGS
@given(
    st.one_of(
        st.binary(max_size=64), st.integers(0, 1600).map(lambda n: bytes(i * 7 & 255 for i in range(n)))
    )
)
def test_the_sum_is_what_rfc_1071_defines(data: bytes) -> None:
    assert ones_sum(data) == naive_sum(data)


@SETTINGS
@given(st.binary(min_size=40, max_size=40), st.integers(0, 9), st.integers(0, 0xFFFFFFFF))
def test_an_updated_checksum_is_the_one_of_the_new_data(data: bytes, word: int, new: int) -> None:
    at = word * 4
    changed = data[:at] + new.to_bytes(4, "big") + data[at + 4 :]
    old = int.from_bytes(data[at : at + 4], "big")
    if any(changed):  # of all-zero data the sum may be either zero
        assert update(checksum(data), old, new) == checksum(changed)


@SETTINGS
@given(flow_keys(), flow_keys(), masks)
def test_fields_that_are_set_are_the_ones_extracted(key: FlowKey, value: FlowKey, mask: FlowKey) -> None:
    mask = mask._replace(
        eth_type=0, ip_proto=0, ip_frag=0, vlan_tpid=0, mpls_lse0=0, tcp_flags=0, nd_target=0
    )
    if not key.vlan_tci:
        mask = mask._replace(vlan_tci=0)
    value = masked(value, mask)
    packet = Packet(build(key, b"some payload"), FlowKey())
    set_fields(packet, value, mask)
    got = extract(packet.frame)
    for name in ("eth_src", "eth_dst", "vlan_tci"):
        was, want, bits = getattr(key, name), getattr(value, name), getattr(mask, name)
        if name == "vlan_tci":
            bits &= 0xEFFF
        assert getattr(got, name) == was & ~bits | want & bits
    # a frame that is built from the key it now has is the same frame: so its checksums are right
    if not key.ip_frag and key.eth_type == 0x0800:
        assert packet.frame == build(got, b"some payload") or got.ip_proto == 17


@SETTINGS
@given(nearly_frames(), st.lists(st.tuples(st.integers(0, 79), st.integers(0, 255)), max_size=12), masks)
def test_frames_with_equal_cache_keys_have_equal_masked_keys(
    frame: bytes, changes: list[tuple[int, int]], mask: FlowKey
) -> None:
    variants = [frame, frame + b"pad", frame[:60]]
    for at, value in changes:
        variants.append(frame[:at] + bytes((value,)) + frame[at + 1 :])
    seen: dict[tuple[int, int], FlowKey] = {}
    for variant in variants:
        word = int.from_bytes(variant[: c.WINDOW].ljust(c.WINDOW, b"\xa5"), "big")
        shape = c.make_shape(word, mask)
        if shape is None or len(variant) < shape.min_len or not c.cacheable(word):
            continue
        key = masked(extract(variant), mask)
        assert seen.setdefault((c.shape_of(word), word & shape.mask), key) == key
