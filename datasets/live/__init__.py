"""Asking monitoring for usage instead of uploading its export: the answers land as an uploaded file does."""
