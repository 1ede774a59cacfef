"""What people see and press: pages, charts, reports and the command line."""
