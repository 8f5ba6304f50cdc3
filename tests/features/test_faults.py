"""A few of the rounds of tests.faults.rounds, each kind at least once."""

import pytest

from tests.faults.rounds import Rig, Stream
from tests.kit.feature_lab import IN_VM, FeatureLab

OURS_ONLY = dict.fromkeys(("c-userspace", "c-kernel"), "it is our switch that is put to the test")


@pytest.mark.feature(
    "Reconciliation", "the switch converges after each kind of fault, told in the database", not_on=OURS_ONLY
)
def test_the_switch_converges_after_each_kind_of_fault(lab: FeatureLab) -> None:
    made = Rig(lab, seed=7)
    kinds = [made.kill_switch, made.remove_device, made.overflow]
    if not IN_VM:  # a server's start takes twenty seconds there
        kinds.append(made.restart_server)
    with Stream(made.a, made.b) as stream:
        for kind in kinds:
            first = stream.mark()
            made.round(kind)
            last = stream.mark()
            if lab.side.is_kernel:  # established flows of the kernel go on whatever becomes of the daemon
                assert stream.lost(first, last) == 0, kind.__name__
        assert stream.sent
