"""What one unknown packet costs in the netlink codecs: decode the upcall, encode the flow and the packet.

python -m benchmarks.netlink
"""

import time
import timeit
from collections.abc import Callable

from datapath.actions import Output
from datapath.netlink import openvswitch as ovs
from datapath.netlink.attrs import attr
from datapath.netlink.key_encode import encode_mask, shape_of
from datapath.packet.flowkey import FlowKey
from datapath.provider import Execute, FlowPut

FAMILY = 0x23
KEY = bytes.fromhex(
    "0800140000000000 0800130000000000 0800020000000000 0800030002000000 08000f0000000000"
    "0800160000000000 0600170000000000 0800180000000000 1400190000000000000000000000000000000000"
    "10000400aa8a384f9cb932616b04070c 0600060008000000 100007000a0000010a00000211004000 08000a0012340007"
)
BODY = attr(2, KEY) + attr(11, bytes(8)) + attr(1, bytes(60))
UPCALL = (
    (24 + len(BODY)).to_bytes(4, "little")
    + bytes.fromhex("23000000 0000000000000000 01010000 03000000")
    + BODY
)
MASK = FlowKey(
    recirc_id=0xFFFFFFFF, in_port=0xFFFFFFFF, eth_src=(1 << 48) - 1, eth_dst=(1 << 48) - 1, eth_type=0xFFFF,
    ip_proto=0xFF, ip_frag=0xFF, tp_src=0xFFFF,
)  # fmt: skip
ROUNDS = 20_000


def measure(what: str, call: Callable[[], object]) -> None:
    seconds = min(timeit.repeat(call, number=ROUNDS, repeat=5, timer=time.thread_time))
    print(f"{what:54}{seconds / ROUNDS * 1e6:8.1f} us")


def main() -> None:
    upcall = ovs.parse_upcall(UPCALL, FAMILY)
    assert upcall
    put = FlowPut(bytes(range(16)), upcall.key, MASK, (Output(3),), upcall.wire_key)
    shape = shape_of(upcall.key)
    execute = Execute(upcall.packet, upcall.key, (Output(3),), upcall.wire_key, upcall.hash)
    flow = ovs.flow_put_message(FAMILY, 3, put)[16:]
    measure("decode an upcall", lambda: ovs.parse_upcall(UPCALL, FAMILY))
    measure("encode FLOW_NEW, mask seen before", lambda: ovs.flow_put_message(FAMILY, 3, put))
    measure("encode a mask that was never seen", lambda: encode_mask.__wrapped__(MASK, shape))
    measure("encode PACKET_EXECUTE", lambda: ovs.execute_message(FAMILY, 3, execute))
    measure("decode a flow of a dump", lambda: ovs.parse_flow(flow))


if __name__ == "__main__":
    main()
