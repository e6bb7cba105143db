"""Exemplars, filters and maps: looking around in a network."""
