"""Packets: headers, keys, checksums, and what actions do to bytes."""
