"""The ascent, and everything that it is composed of."""
