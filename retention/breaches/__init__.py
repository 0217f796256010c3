"""Breaches: what was exposed, to whom, what it means, and who must be told by when."""
