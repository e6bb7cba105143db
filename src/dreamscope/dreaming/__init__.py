"""Dreams: on pictures, on dives and on clips."""
