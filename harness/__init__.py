"""The harness of the 1X World Model Challenge: it owns the truth and the metric, an entry only predicts."""
