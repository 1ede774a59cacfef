"""One upload format per module, recognised by content."""
