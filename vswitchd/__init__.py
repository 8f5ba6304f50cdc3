"""ovs-vswitchd: makes the datapath what the database says, and tells the database what it is."""
