"""Decisions on packets: pure functions of a packet's key and the state of the bridges."""
