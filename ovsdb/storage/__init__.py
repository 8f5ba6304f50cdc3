"""Where committed transactions are kept."""
