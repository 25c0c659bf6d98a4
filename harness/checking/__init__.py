"""What an entrant is told before submitting: likely mistakes, and what a whole grade would take."""
