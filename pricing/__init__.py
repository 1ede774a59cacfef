"""What things cost, and since when."""
