"""Word lists of `config/lexicons/words`, read once: names, towns and medicines to look for."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files

from config.errors import ConfigError


def bag(text: str) -> frozenset[str]:
    """The words of a text, each once: a way to write down a set of many words."""
    return frozenset(text.split())


@lru_cache(maxsize=8)
def word_list(name: str) -> frozenset[str]:
    """The words of `<name>.txt`: between blanks, or between commas where the list has any.

    Raises ConfigError naming a file that is missing or empty.
    """
    try:
        text = files("config").joinpath("lexicons", "words", f"{name}.txt").read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"word list {name}.txt can't be read; install Holdfast again") from error
    body = " ".join(line for line in text.splitlines() if not line.startswith("#"))
    found = frozenset(word.strip() for word in (body.split(",") if "," in body else body.split()))
    if not found - {""}:
        raise ConfigError(f"word list {name}.txt is empty; install Holdfast again")
    return found - {""}
