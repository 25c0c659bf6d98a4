"""What a prediction is worth, in nats per token. Pure functions."""
