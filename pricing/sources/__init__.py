"""One price source per module."""
