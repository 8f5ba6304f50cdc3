"""The forwarding layer: one Protocol (provider), three datapaths behind it (kernel, userspace, fake)."""
