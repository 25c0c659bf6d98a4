"""What a machine needs to grade, looked at one by one; and what killed harnesses left on it."""
