"""The database's rows → Desired: what the switch shall be; `read` composes one reader for each feature."""
