"""Dreams side by side."""
