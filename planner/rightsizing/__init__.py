"""What the observed demand says should change."""
