"""Token video on disk: clips, the windows graded in them, and where they come from."""
