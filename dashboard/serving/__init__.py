"""The page Speed: how fast a deployment serves, and what it serves with."""
