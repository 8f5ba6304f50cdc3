"""For tests of programs that speak OVSDB: a real server in this process (docs/pytest-plugin.md)."""
