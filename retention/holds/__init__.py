"""Matters and legal holds."""
