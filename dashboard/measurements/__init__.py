"""Own measurements: their part of the page, and what it shares with the command."""
