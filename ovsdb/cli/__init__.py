"""The programs: ovsdb-server, ovsdb-client, ovsdb-tool."""
