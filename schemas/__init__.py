"""The database schemas that the programs bring along, the meta-schema, and how to read them (`schemas.files`)."""
