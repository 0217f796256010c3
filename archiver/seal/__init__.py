"""Encryption at rest: sealed objects, the key hierarchy above them, and blind-index tokens."""
