"""What follows from the facts: memory, performance, cost and advice."""
