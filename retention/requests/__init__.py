"""Requests of patients: to see what is held of them, and to whom it was disclosed."""
