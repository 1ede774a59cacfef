"""What the page Tokens per dollar draws."""
