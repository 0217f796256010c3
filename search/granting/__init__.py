"""Grants: what somebody may see or do beyond their role, or less than it; for a time, by two persons."""
