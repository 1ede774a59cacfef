"""What the page Plans draws."""
