"""Certificates for tests of TLS, in files, as the programs want them.

ca = Authority(directory)
server = ca.issue("server")                    # .options() are -p, -c and -C
late = ca.issue("late", expired=True)
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Identity:
    """A private key, its certificate, and the CA certificate of those to be trusted."""

    key: Path
    certificate: Path
    ca: Path

    def options(self) -> list[str]:
        """-p, -c, -C."""
        return ["-p", str(self.key), "-c", str(self.certificate), "-C", str(self.ca)]


class Authority:
    """A CA of its own."""

    def __init__(self, directory: Path, name: str = "ca") -> None:
        self._ca = trustme.CA(organization_name=name)
        self._directory = directory
        self.certificate = directory / f"{name}.pem"
        self._ca.cert_pem.write_to_path(str(self.certificate))

    def issue(
        self,
        name: str,
        *,
        expired: bool = False,
        days: float = 0,
        ca: "Authority | None" = None,
        file: str = "",
    ) -> Identity:
        """A certificate with CN `name`; with `days`, so long valid. It trusts `ca`, by default this one."""
        end = datetime.now(UTC) + timedelta(days=-1 if expired else days) if expired or days else None
        made = self._ca.issue_cert(f"{name}.example", common_name=name, not_after=end)
        key, certificate = self._directory / f"{file or name}.key", self._directory / f"{file or name}.crt"
        made.private_key_pem.write_to_path(str(key))
        made.cert_chain_pems[0].write_to_path(str(certificate))
        return Identity(key, certificate, (ca or self).certificate)
