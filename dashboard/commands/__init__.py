"""One module per command of the inferplan command line."""
