"""Forwarding in this process: the path of a frame is ports → forwarder (cache, flow table) → ports."""
