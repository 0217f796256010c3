"""The demo's own error."""

from __future__ import annotations

from config.errors import HoldfastError


class DemoFailedError(HoldfastError):
    """A step of the demo did not do what it should; the text says which."""

    code = "demo_failed"
    exit_code = 1
