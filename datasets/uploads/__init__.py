"""Taking a file in: open it safely, recognise and check it, report, then land it whole or not at all."""
