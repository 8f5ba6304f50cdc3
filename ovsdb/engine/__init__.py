"""The database engine: transactions on tables in memory, without I/O.  Begin with `ovsdb.engine.database`."""
