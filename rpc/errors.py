"""What can go wrong with a connection, the same for blocking and for trio code."""

from __future__ import annotations


class RpcError(Exception):
    """Any failure of a connection."""


class ConnectError(RpcError):
    """No connection to `address` (its text form), because of `reason` (the system's words where it gave
    any)."""

    def __init__(self, address: str, reason: str, errno: int = 0) -> None:
        super().__init__(address, reason, errno)
        self.address = address
        self.reason = reason
        self.errno = errno  # 0 where the system was not asked

    def __str__(self) -> str:
        return f"{self.address}: {self.reason}"


class ListenError(ConnectError):
    """`address` cannot be listened on."""


class ConnectionLost(RpcError):
    """The connection ended: the other side closed it (`reason` "End of file"), it broke, or it sent no
    JSON-RPC."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Timeout(RpcError):
    """The deadline passed; the connection can still be used unless bytes of a message had been sent."""


class RemoteError(RpcError):
    """The other side answered a request with an error, which is any JSON value but null."""

    def __init__(self, method: str, error: object) -> None:
        super().__init__(method, error)
        self.method = method
        self.error = error


class MustWait(BlockingIOError):
    """A TLS socket cannot go on until it can be read from, or written to (`to_write`)."""

    def __init__(self, *, to_write: bool = False) -> None:
        super().__init__()
        self.to_write = to_write


END_OF_FILE = "End of file"
