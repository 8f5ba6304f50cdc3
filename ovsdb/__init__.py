"""The database: engine, server, clients and tools (RFC 7047 and Open vSwitch's extensions)."""
