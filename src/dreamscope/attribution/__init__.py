"""Which pixels decided."""
