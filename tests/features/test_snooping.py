"""Multicast snooping: groups go to those who joined them."""

import pytest

from tests.kit.feature_lab import FeatureLab, Host
from tests.kit.group_messages import (
    LEAVE,
    MLD_DONE,
    TO_EXCLUDE,
    TO_INCLUDE,
    V3_REPORT,
    data,
    frame4,
    igmp,
    query4,
    report4,
    report6,
)

GROUP, GROUP6 = "239.1.1.1", "ff05::101"


def snooping_bridge(lab: FeatureLab, settings: str = "") -> tuple[Host, Host, Host]:
    a, b, c = (lab.host(name) for name in "abc")
    lab.vsctl(
        "add-br br0 -- set bridge br0 mcast_snooping_enable=true",
        settings,
        *(
            f"-- add-port br0 {port} -- set interface {port} ofport_request={n}"
            for n, port in enumerate("abc", 1)
        ),
    )
    return a, b, c


def groups(lab: FeatureLab) -> list[list[str]]:
    """Return mdb/show without the header and the ages."""
    return [line.split()[:3] for line in lab.appctl("mdb/show", "br0").splitlines()[1:]]


def wait_for(lab: FeatureLab, *expected: str) -> None:
    """Wait until the table is this, and the flows have followed."""
    lines = [line.split() for line in expected]
    lab.wait_until(lambda: groups(lab) == lines, f"the groups are {lines}")
    lab.settle()


@pytest.mark.feature("Multicast snooping", "IGMP v2: a group goes to who has joined it, until they leave")
def test_igmp_v2_members_get_the_group(lab: FeatureLab) -> None:
    a, b, c = snooping_bridge(lab)
    a.send(data(a.mac, GROUP))
    assert b.received() == c.received() == [data(a.mac, GROUP)]
    b.send(report4(b.mac, GROUP))
    wait_for(lab, f"2 0 {GROUP}")
    a.send(data(a.mac, GROUP))
    assert b.received() == [data(a.mac, GROUP)]
    assert c.received_nothing()
    b.send(report4(b.mac, GROUP, LEAVE))
    wait_for(lab)
    a.send(data(a.mac, GROUP))
    assert c.received() == [data(a.mac, GROUP)]


@pytest.mark.feature("Multicast snooping", "IGMP v3: records of several groups; MLD for IPv6")
def test_igmp_v3_and_mld(lab: FeatureLab) -> None:
    a, b, c = snooping_bridge(lab)
    b.send(
        frame4(
            b.mac,
            "224.0.0.22",
            igmp(V3_REPORT, records=[(TO_EXCLUDE, GROUP, ()), (TO_EXCLUDE, "239.1.1.2", ())]),
        )
    )
    wait_for(lab, f"2 0 {GROUP}", "2 0 239.1.1.2")
    b.send(frame4(b.mac, "224.0.0.22", igmp(V3_REPORT, records=[(TO_INCLUDE, GROUP, ())])))
    wait_for(lab, "2 0 239.1.1.2")
    c.send(report6(c.mac, GROUP6))
    wait_for(lab, "2 0 239.1.1.2", f"3 0 {GROUP6}")
    a.send(data(a.mac, GROUP6))
    assert c.received() == [data(a.mac, GROUP6)]
    assert b.received_nothing()
    c.send(report6(c.mac, GROUP6, MLD_DONE))
    wait_for(lab, "2 0 239.1.1.2")


@pytest.mark.feature(
    "Multicast snooping", "a port with a router gets groups and reports, and is listed as querier"
)
def test_routers_get_groups_and_reports(lab: FeatureLab) -> None:
    a, b, c = snooping_bridge(lab)
    c.send(query4(c.mac))
    assert a.received() == b.received() == [query4(c.mac)]
    wait_for(lab, "3 0 querier")
    b.send(report4(b.mac, GROUP))
    assert c.received() == [report4(b.mac, GROUP)]
    assert a.received_nothing()
    wait_for(lab, f"2 0 {GROUP}", "3 0 querier")
    a.send(data(a.mac, GROUP))
    assert b.received() == c.received() == [data(a.mac, GROUP)]
    lab.appctl("mdb/flush", "br0")
    assert groups(lab) == []


@pytest.mark.feature(
    "Multicast snooping", "groups that nobody joined may be kept from hosts; flood ports get all"
)
def test_unregistered_groups_may_be_kept_from_hosts(lab: FeatureLab) -> None:
    a, b, c = snooping_bridge(lab, "other_config:mcast-snooping-disable-flood-unregistered=true")
    lab.vsctl("set port c other_config:mcast-snooping-flood=true")
    a.send(data(a.mac, GROUP))
    assert c.received() == [data(a.mac, GROUP)]
    a.send(data(a.mac, "224.0.0.251"))  # of the link alone: to all
    assert b.received() == [data(a.mac, "224.0.0.251")]
    assert c.received() == [data(a.mac, "224.0.0.251")]
    lab.vsctl("set port b other_config:mcast-snooping-flood-reports=true")
    a.send(report4(a.mac, GROUP))
    assert b.received() == [report4(a.mac, GROUP)]
