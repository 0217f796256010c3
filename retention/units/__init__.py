"""The organisation's units: whose mail it is, and so whose law."""
