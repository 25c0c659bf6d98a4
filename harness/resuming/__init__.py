"""`wmc grade --resume` and `--abandon`: which grades can go on, whether all is as it was, and what becomes of them."""
