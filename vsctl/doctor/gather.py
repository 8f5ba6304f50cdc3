"""The facts of this host and of the switch: asked for, each with a limit on the time that it may take."""

from __future__ import annotations

import grp
import os
import pwd
import stat
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from appctl import client as control
from appctl import pidfile
from appctl.directories import dbdir
from ovsdb.client.blocking import connect
from ovsdb.client.transaction import TransactionError, check_results
from ovsdb.datum import parse_datum
from ovsdb.errors import OvsdbError
from ovsdb.storage.record import HEADER_LIMIT, parse_header
from rpc.address import AddressError, UnixAddress, parse
from rpc.errors import ConnectError, ConnectionLost, RemoteError, Timeout
from rpc.tls_settings import TlsSettings
from rpc.unixsocket import rundir
from vsctl.doctor import gather_host
from vsctl.doctor.facts import SERVER, SWITCH, Certificate, Daemon, DatabaseFile, Facts, Row, Socket

DATABASE = "Open_vSwitch"
COLUMNS = {
    "Open_vSwitch": ("next_cfg", "cur_cfg", "datapath_types", "iface_types", "bridges", "ovs_version"),
    "Bridge": ("name", "datapath_type", "fail_mode", "ports", "controller"),
    "Port": ("name", "interfaces", "tag", "trunks", "vlan_mode"),
    "Interface": ("name", "type", "options", "error"),
    "Controller": ("target", "is_connected"),
    "Manager": ("target", "is_connected"),
    "SSL": ("private_key", "certificate", "ca_cert", "bootstrap_ca_cert"),
}


def gather(remote: str, tls: TlsSettings, limit: float) -> Facts:
    """Everything; at most about `limit` seconds are waited for daemons."""
    each = limit / 4
    version, rows, problem = _database(remote, tls, each)
    server = _daemon(SERVER, each)
    place = rundir()
    return Facts(
        now=time.time(),
        rundir=place,
        rundir_problem=_directory_problem(place),
        module_loaded=gather_host.module_loaded(),
        module_available=gather_host.module_available(),
        tun_problem=gather_host.tun_problem(),
        devices=gather_host.devices(),
        addresses=gather_host.addresses(),
        routes=gather_host.routes(),
        ipv6_disabled=gather_host.ipv6_disabled(),
        network_manager=gather_host.runs("NetworkManager"),
        switches=gather_host.processes(SWITCH),
        server=server,
        switch=_daemon(SWITCH, each),
        socket=_socket(remote, problem),
        database_problem=problem,
        schema_version=version,
        rows=rows,
        file=_database_file(server, each),
        certificates=_certificates(rows or {}),
    )


def _directory_problem(path: str) -> str:
    if not os.path.isdir(path):
        return "there is no such directory"
    return "" if os.access(path, os.R_OK | os.X_OK) else "this user may not look into it"


def _daemon(name: str, limit: float) -> Daemon:
    try:
        pid = pidfile.read(f"{rundir()}/{name}.pid")
    except pidfile.PidfileError as error:
        return Daemon(why_not=str(error))
    same, held = gather_host.same_namespace(pid), gather_host.capabilities(pid)
    try:
        text = control.call(_control_socket(name, pid), "version", [], time.monotonic() + limit)
    except (control.TargetError, control.CommandRefused, Timeout) as error:
        why = str(error) or "no answer in time"
        return Daemon(pid, why_silent=why, same_namespace=same, capabilities=held)
    return Daemon(pid, "", True, "", text.partition("\n")[0], same, held)


def _control_socket(name: str, pid: int) -> str:
    """Where the daemon was told to listen, else its name, by which the usual place is found."""
    given = [word.partition("=")[2] for word in gather_host.arguments(pid) if word.startswith("--unixctl=")]
    return given[-1] if given and os.path.isabs(given[-1]) else name


# --- the database


Tables = Mapping[str, Mapping[str, Row]]


def _database(remote: str, tls: TlsSettings, limit: float) -> tuple[str, Tables | None, str]:
    """The schema's version, the rows, and what went wrong."""
    try:
        addresses = [parse(text) for text in remote.split(",")]
        with connect(addresses, DATABASE, deadline=time.monotonic() + limit, tls=tls) as client:
            schema = client.schema
            selects: list[Any] = []
            for table, columns in COLUMNS.items():
                present = [c for c in columns if table in schema.tables and c in schema.tables[table].columns]
                if table in schema.tables:
                    selects.append(
                        {"op": "select", "table": table, "where": [], "columns": ["_uuid", *present]}
                    )
            answers = check_results(client.transact(selects))
            rows: dict[str, dict[str, Row]] = {}
            for select, answer in zip(selects, answers, strict=True):
                columns_of = schema.tables[select["table"]].columns
                found: Any = answer["rows"]
                rows[select["table"]] = {
                    row["_uuid"][1]: {
                        c: parse_datum(columns_of[c].type, v) for c, v in row.items() if c != "_uuid"
                    }
                    for row in found
                }
            return schema.version, rows, ""
    except Timeout:
        return "", None, f"{remote}: no answer in time"
    except (ConnectError, ConnectionLost) as error:
        return "", None, f"{remote}: {error.reason}"
    except AddressError as error:
        return "", None, f"{remote}: {error.why}"
    except RemoteError as error:
        return "", None, f"{remote}: {error.method} failed: {error.error}"
    except (TransactionError, OvsdbError, KeyError, ValueError, TypeError) as error:
        return "", None, f"{remote}: the answer of the server makes no sense: {error}"


def _socket(remote: str, problem: str) -> Socket | None:
    """The first local socket that the database is reached by."""
    for text in remote.split(","):
        try:
            found = parse(text)
        except AddressError:
            continue
        if isinstance(found, UnixAddress):
            return _look_at_socket(found.path, problem)
    return None


def _look_at_socket(path: str, problem: str) -> Socket:
    try:
        status = os.stat(path)
    except OSError:
        return Socket(path, exists=False)
    owner = f"{_user(status.st_uid)}:{_group(status.st_gid)} {stat.filemode(status.st_mode)}"
    refusal = problem.rpartition(": ")[2] if problem else ""
    return Socket(path, True, stat.S_ISSOCK(status.st_mode), owner, os.access(path, os.W_OK), refusal)


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def _database_file(server: Daemon, limit: float) -> DatabaseFile | None:
    """The file that the running server was started with, else the one that is there by default."""
    path = f"{dbdir()}/conf.db"
    if server.pid is not None:
        given = [word for word in gather_host.arguments(server.pid) if not word.startswith("-")]
        path = next((word for word in given if word.endswith(".db") and os.path.isabs(word)), path)
    if not os.path.exists(path):
        return DatabaseFile(path, exists=False)
    try:
        room = os.statvfs(os.path.dirname(path))
        damage = damage_of(path, time.monotonic() + limit)
    except OSError as error:
        return DatabaseFile(path, exists=True, damage=error.strerror or str(error))
    inodes = room.f_favail if room.f_files else None
    return DatabaseFile(path, True, damage, room.f_bavail * room.f_frsize, inodes)


def damage_of(path: str, deadline: float) -> str:
    """What is wrong with the chain of records in a database file; "" if nothing, as far as it was read."""
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        position, number = 0, 0
        while position < size and time.monotonic() < deadline:
            file.seek(position)
            line = file.readline(HEADER_LIMIT)
            header = parse_header(line)
            if header is None:
                return f"no record begins at byte {position}" if number else "this is no database"
            position += len(line) + header.length
            number += 1
        if position > size:
            return f"record {number} ends {position - size} bytes after the end of the file"
    return "" if number else "the file is empty"


# --- certificates


def _certificates(rows: Tables) -> list[Certificate]:
    found = []
    for row in rows.get("SSL", {}).values():
        paths = [str(row.get(column, "")) for column in ("private_key", "certificate", "ca_cert")]
        if row.get("bootstrap_ca_cert") and not os.path.exists(paths[2]):
            paths.pop()  # it is made when the first connection stands
        if not os.access(paths[0], os.R_OK):
            found.append(Certificate(paths[0], error="this private key cannot be read"))
        found += [certificate(path) for path in paths[1:] if path != "none"]
    return found


def certificate(path: str) -> Certificate:
    """The first certificate in a PEM file."""
    from cryptography import x509  # takes 50 ms, and most switches have no certificates

    try:
        read = x509.load_pem_x509_certificate(Path(path).read_bytes())
    except OSError as error:
        return Certificate(path, error=error.strerror or str(error))
    except ValueError:
        return Certificate(path, error="this is no certificate in PEM form")
    times: Iterable[Any] = (read.not_valid_before_utc, read.not_valid_after_utc)
    before, after = (moment.timestamp() for moment in times)
    return Certificate(path, before, after)
