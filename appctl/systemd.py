"""Tells the service manager how a daemon does, as sd_notify(3): for services of Type=notify.

Rule: where nobody asked, or nobody listens, nothing happens.
"""

from __future__ import annotations

import contextlib
import os
import socket


def notify(state: str) -> None:
    """Send lines like READY=1 to the socket that NOTIFY_SOCKET names, in a directory or abstract (@NAME)."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path:
        return
    address = "\0" + path[1:] if path.startswith("@") else path
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(state.encode(), address)
