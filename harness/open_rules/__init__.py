"""What a program that runs by 1X's own rules prints and saves, read as a stranger's."""
