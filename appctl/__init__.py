"""Running and commanding daemons: options, life cycle, logs, the control socket, ovs-appctl."""
