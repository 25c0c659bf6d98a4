"""The module an entry imports, for runs by hand; inside a sandbox the harness puts guest.py itself here."""

from harness.protocol.guest import serve

__all__ = ["serve"]
