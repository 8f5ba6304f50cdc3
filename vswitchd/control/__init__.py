"""What ovs-appctl asks of the running switch: one module for each family of commands."""
