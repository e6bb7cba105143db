"""Techniques: each a short file that composes ingredients on the one ascent loop."""
