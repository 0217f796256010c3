"""Two persons: one asks, another approves exactly that, over the hash of what is asked (docs/access.md)."""
