"""The switch as a document: rows to YAML or JSON, a document to the changes that make it so."""
