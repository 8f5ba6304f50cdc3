"""The commands of ovs-dpctl, served by ovs-vswitchd too: functions on datapath providers."""
