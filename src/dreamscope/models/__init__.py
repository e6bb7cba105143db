"""Classifiers: where they come from, their layers and addresses, and edits of them."""
