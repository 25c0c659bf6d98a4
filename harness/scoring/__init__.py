"""What a prediction is worth: in nats per token, and as a picture."""
