"""What is known: facts with sources, the warehouse and the upload formats."""
