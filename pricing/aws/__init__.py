"""Asking AWS what its accelerators cost: politely, and with a reason when it cannot be asked."""
