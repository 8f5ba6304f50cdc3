"""ovs-vsctl: configure the switch by editing its database."""
