"""Settings for tests of data."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("no clock", deadline=None)  # a busy machine is no failure
settings.load_profile("no clock")
