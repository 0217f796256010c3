"""Dispositions: what is due, reviewed, approved, destroyed and certified."""
