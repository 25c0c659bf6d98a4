"""The grade of a program that runs by 1X's own rules: what it printed and saved, read as a stranger's, and rescored."""
