"""What the commands share: options made from the fields of a case, and printing."""
