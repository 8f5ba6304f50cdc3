"""The compiled build: with VSWITCH_COMPILE=1 the database server's core becomes machine code, of one source.

    VSWITCH_COMPILE=1 pip install .

Rule: without the variable the install is pure Python and complete; everything else stands in setup.cfg. A
compiled one takes a third of the time for a transaction, and half for reading a file (docs/performance.md).
It needs a C compiler. Not for an editable install: there a source that was edited would be hidden by what was
compiled from it before.
"""

import os
from glob import glob
from typing import Any

from setuptools import setup

# Not what every call of a tool loads (rpc, ovsdb.errors): to load all this would take it a seventh longer.
COMPILED = [
    "appctl/coverage.py",
    "ovsdb/connection.py",
    "ovsdb/datum.py",
    "ovsdb/delta.py",
    "ovsdb/dispatcher.py",
    "ovsdb/figures.py",
    "ovsdb/history.py",
    "ovsdb/hosted.py",
    "ovsdb/interests.py",
    "ovsdb/members.py",
    "ovsdb/monitor.py",
    "ovsdb/row_filter.py",
    "ovsdb/schema.py",
    "ovsdb/session.py",
    "ovsdb/storage/base.py",
    "ovsdb/storage/disk.py",
    "ovsdb/storage/file.py",
    "ovsdb/storage/reader.py",
    "ovsdb/storage/record.py",
    *sorted(glob("ovsdb/engine/[!_]*.py")),
]

NEEDED = ["mypy >= 1.8", "orjson", "immutables", "trio"]  # the compiler, and whose types the sources use

if os.environ.get("VSWITCH_COMPILE") == "1":
    try:
        from mypyc.build import mypycify
    except ImportError:  # pip asks what is needed, and calls again with that
        setup(setup_requires=NEEDED)
    else:
        level = os.environ.get("VSWITCH_OPTIMIZE", "3")  # 0: half of the time to build, for tests
        extensions: Any = mypycify(COMPILED, opt_level=level)  # of one of setuptools' two classes
        setup(setup_requires=NEEDED, ext_modules=extensions)
else:
    setup()
