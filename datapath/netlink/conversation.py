"""One request and the kernel's answers to it, without the socket.

Rule: pure. The caller sends what request() returns, feeds what it receives and stops once `finished`. Answers
to other requests (another sequence number) are passed over: one that was given up may have some under way.
"""

from __future__ import annotations

from datapath.netlink import message as m


class KernelRefusal(Exception):
    """The kernel's answer was an error."""

    def __init__(self, refusal: m.Refusal) -> None:
        super().__init__(refusal.errno, refusal.text)
        self.errno = refusal.errno
        self.text = refusal.text


class Interrupted(Exception):
    """The table changed while it was dumped, or answers were lost for want of buffer space: ask once more."""


class Conversation:
    """The state of one request."""

    def __init__(self, seq: int, kind: int, flags: int, payload: bytes) -> None:
        """`flags` with NLM_F_DUMP asks for a table, which ends by itself; others are acknowledged."""
        dump = flags & m.NLM_F_DUMP == m.NLM_F_DUMP
        self._flags = flags if dump else flags | m.NLM_F_ACK
        self._seq, self._kind, self._payload = seq, kind, payload
        self._interrupted = False
        self.answers: list[bytes] = []  # payloads, without the netlink header
        self.finished = False

    def request(self) -> bytes:
        """Return the bytes to send."""
        return m.encode(self._kind, self._flags, self._seq, self._payload)

    def feed(self, datagram: bytes) -> None:
        """Take in one datagram; KernelRefusal, Interrupted or NetlinkFormatError end the conversation."""
        for answer in m.messages(datagram):
            if answer.seq != self._seq or self.finished:
                continue
            self._interrupted |= bool(answer.flags & m.NLM_F_DUMP_INTR)
            if answer.type in (m.NLMSG_ERROR, m.NLMSG_DONE):
                self._finish(answer)
            elif answer.type > m.NLMSG_OVERRUN:
                self.answers.append(answer.payload)

    def _finish(self, answer: m.Message) -> None:
        refusal = m.parse_error(answer)
        self.finished = True
        if refusal is not None:
            raise KernelRefusal(refusal)
        if self._interrupted:
            raise Interrupted

    def overrun(self) -> None:
        """Tell that the socket lost datagrams (ENOBUFS)."""
        self.finished = True
        raise Interrupted
