"""What the page Prices draws."""
