"""What the page Spend draws."""
