"""From a folder to a zip, and from a stranger's zip to files that are safe to open."""
