"""ovs-vsctl doctor: what is found on this host, judged check by check."""
