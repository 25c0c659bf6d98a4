"""The context gate: a frame is shown only after its prediction was committed."""
