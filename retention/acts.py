"""Acts as the whole house does them; see `search.acts`, which searches' own acts need too."""

from __future__ import annotations

from search.acts import Act, by_system, change, look

__all__ = ["Act", "by_system", "change", "look"]
