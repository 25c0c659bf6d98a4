"""The retrieval check of a grade: what it needs, what it measures, and the panel that judges it."""
