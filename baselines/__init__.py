"""Reference entries: every folder here is itself a valid submission."""
