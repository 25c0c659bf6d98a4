"""From tokens to images and back."""
