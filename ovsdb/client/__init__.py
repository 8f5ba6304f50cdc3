"""Clients of a database server: a local copy, transactions, blocking and trio connections."""
