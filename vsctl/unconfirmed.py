"""Changes that are taken back unless they are confirmed: the command `confirm`, the start of a guardian."""

from __future__ import annotations

import time
from collections.abc import Sequence

from appctl.getopt import leading_integer
from declare.change import Change, inverted, operations
from declare.columns import UNCONFIRMED
from ovsdb.client.transaction import TransactionError
from ovsdb.uuids import new_uuid
from vsctl.errors import CommandError
from vsctl.grammar import command
from vsctl.guardian import (
    Errand,
    GuardianError,
    path_of,
    read_errand,
    remove_errand,
    take_back,
    while_pending,
)
from vsctl.guardian import start as start_guardian
from vsctl.model import Guard, Model
from vsctl.store import map_of

LONGEST = 86400  # seconds


@command("confirm", writes=True, options_anywhere=True)
def confirm(model: Model, *, revert: bool = False, cancel: bool = False) -> str | None:
    """Confirm what `apply --confirm` has changed; with --revert or --cancel, take it back at once."""
    nonce = _waiting(model)
    if not nonce:
        raise CommandError("no change waits to be confirmed")
    if not (revert or cancel):
        ids = model.switch.mapping("external_ids")
        model.switch["external_ids"] = map_of({key: ids[key] for key in ids if key != UNCONFIRMED})
        model.on_commit.append(lambda: remove_errand(nonce))
        return None
    if model.dry_run:
        return None
    try:
        errand = read_errand(path_of(nonce))
        is_done = take_back(model.store.client, errand)
    except (OSError, ValueError, TypeError) as error:
        why = f"{path_of(nonce)}, which says how, cannot be read"
        raise CommandError(f"the change cannot be taken back from here: {why} ({error})") from None
    except TransactionError as error:
        raise CommandError(f"the change could not be taken back: {error}") from None
    remove_errand(nonce)
    if not is_done:
        raise CommandError("the change waits no more: it was confirmed or taken back meanwhile")
    return None


def _waiting(model: Model) -> str:
    return "" if model.switch.is_new else model.switch.mapping("external_ids").get(UNCONFIRMED, "")


def parse_seconds(text: str) -> int:
    """The argument of --confirm. CommandError."""
    seconds = leading_integer(text) if text.isascii() and text.isdigit() else 0
    if not 0 < seconds <= LONGEST:
        raise CommandError(f"--confirm needs a number of seconds from 1 to {LONGEST}, not {text!r}")
    return seconds


def guard(model: Model, changes: Sequence[Change], seconds: int) -> str:
    """Have changes that are in the store taken back unless they are confirmed; what to tell the user."""
    if model.switch.is_new:
        raise CommandError("--confirm needs a switch that is there already: run ovs-vsctl init before")
    if _waiting(model):
        raise CommandError(
            "an earlier change waits to be confirmed: run ovs-vsctl confirm, or ovs-vsctl confirm --revert"
        )
    nonce = new_uuid()
    model.switch["external_ids"] = map_of(model.switch.mapping("external_ids") | {UNCONFIRMED: nonce})
    undo = while_pending(nonce, operations(model.schema, inverted(model.schema, changes)))

    def start() -> None:
        errand = Errand(nonce, time.monotonic() + seconds, model.remote, model.tls, undo)
        try:
            start_guardian(errand)
        except GuardianError as error:
            raise CommandError(f"nothing was changed, as it could not be taken back: {error}") from None

    model.guard = Guard(start, lambda: remove_errand(nonce))
    return f"The change is taken back in {seconds} s unless ovs-vsctl confirm is run.\n"
