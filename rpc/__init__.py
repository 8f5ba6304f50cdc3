"""JSON-RPC 1.0 over byte streams: framing, messages, addresses, back-off, blocking and trio connections."""
