"""What the page Economics draws."""
