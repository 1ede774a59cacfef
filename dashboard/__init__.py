"""What people see and press: the Streamlit pages, the plugin for other dashboards and the command line."""

from inferplan.dashboard.navigation import pages

__all__ = ["pages"]
