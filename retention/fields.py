"""JSON values sealed per row; see `archiver.sealed_fields`."""

from __future__ import annotations

from archiver.sealed_fields import SealedFields

__all__ = ["SealedFields"]
