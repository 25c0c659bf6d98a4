"""Training for the neural baselines: a library their folders share, no entry itself."""
