"""A static leaderboard page from the store of grades."""
