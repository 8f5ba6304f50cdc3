"""The two-host lab: what the README shows, what the tests of the whole system run."""
