"""Asking AWS: clients that wait their turn, and its errors in words that say what to do."""
