"""What the page Fit draws."""
