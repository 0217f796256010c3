"""The Content-Security-Policy of our answers: no script but a page's own, by a nonce (ASVS 5.0, 3.4.3)."""

from __future__ import annotations

from typing import Final

_HEAD: Final = "default-src 'none'; style-src 'self'; script-src "
_TAIL: Final = "; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

PLAIN: Final = f"{_HEAD}'none'{_TAIL}"
"""Of everything that has no script."""


def scripted(nonce: str) -> str:
    """Of a page with a script of ours: the very elements that it was rendered with, talking to us alone."""
    return f"{_HEAD}'nonce-{nonce}'; connect-src 'self'{_TAIL}"


def is_own(policy: str) -> bool:
    """Whether a page set its policy by `scripted`, so that the shell leaves it."""
    return policy.startswith(f"{_HEAD}'nonce-") and policy.endswith(_TAIL)
