"""Where an entry is built and run: Docker, or a plain process for one's own code."""
