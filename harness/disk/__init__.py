"""Files and folders on this machine: whole or not at all, for a while, removed whatever their rights."""
