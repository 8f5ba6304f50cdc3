"""What is there → what the database shall say of it: one module for each table, composed by `describe`."""
