"""What a grade leaves behind: a record, and the store that keeps it."""
