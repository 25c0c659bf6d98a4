"""What predictions look like: decoded, compared with the decoded truth, and kept to be looked at."""
