"""One rightsizing rule per module."""
