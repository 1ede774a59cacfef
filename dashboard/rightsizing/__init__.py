"""What the page Rightsizing draws."""
