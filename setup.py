"""The compiled build: with VSWITCH_COMPILE=1 the database engine becomes machine code, from the same sources.

    VSWITCH_COMPILE=1 pip install .

Rule: without the variable the install is pure Python and complete; everything else stands in setup.cfg. A
compiled engine takes half of the time for a transaction, and for reading a file (docs/performance.md). It
needs a C compiler. Not for an editable install: there a source that was edited would be hidden by what was
compiled from it before.
"""

import os
from glob import glob
from typing import Any

from setuptools import setup

COMPILED = [
    "ovsdb/datum.py",
    "ovsdb/errors.py",
    "ovsdb/members.py",
    "ovsdb/refusals.py",
    "ovsdb/schema.py",
    "ovsdb/uuids.py",
    "ovsdb/words.py",
    *sorted(glob("ovsdb/engine/[!_]*.py")),
]

NEEDED = ["mypy >= 1.8", "orjson", "immutables"]  # the compiler, and whose types the sources use

if os.environ.get("VSWITCH_COMPILE") == "1":
    try:
        from mypyc.build import mypycify
    except ImportError:  # pip asks what is needed, and calls again with that
        setup(setup_requires=NEEDED)
    else:
        extensions: Any = mypycify(COMPILED)  # of the one of setuptools' two classes that it can import
        setup(setup_requires=NEEDED, ext_modules=extensions)
else:
    setup()
