"""A learning switch on the userspace datapath, as a program: for tests and benchmarks that want a process of its own.

    python -m tests.kit.userspace_switch NAME [PORT ...] [KIND:REMOTE]

makes datapath NAME with its internal port 0, attaches the devices, joins the far end through a tunnel with key 5,
writes "ready", and ends when its input does.
"""

from __future__ import annotations

import socket
import sys

from datapath.actions import SetTunnel
from datapath.packet.flowkey import TUN_KEY
from datapath.provider import DEFAULT_TUNNEL_PORT, VportSpec, tunnel_vport_name
from datapath.userspace.datapath import UserspaceProvider
from tests.kit.learning import LearningSwitch


def main() -> None:
    name, *ports = sys.argv[1:]
    datapath = UserspaceProvider().create(name)
    numbers, tunnels = [0], {}
    for port in ports:
        kind, _, remote = port.partition(":")
        if remote:
            udp = DEFAULT_TUNNEL_PORT[kind]
            number = datapath.add_port(VportSpec(tunnel_vport_name(kind, udp), kind, udp)).port_no
            address = int.from_bytes(socket.inet_aton(remote), "big")
            tunnels[number] = SetTunnel(dst=address, tun_id=5, flags=TUN_KEY)
        else:
            number = datapath.add_port(VportSpec(port, "system")).port_no
        numbers.append(number)
    with LearningSwitch(datapath, numbers, tunnels):
        print("ready", flush=True)
        sys.stdin.read()
    datapath.close()


if __name__ == "__main__":
    main()
