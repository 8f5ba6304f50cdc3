"""The database schemas that the programs bring along, the meta-schema, and `schemas.files` to read them."""
