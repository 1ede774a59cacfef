"""The demo fleet, always labelled as sample data."""
