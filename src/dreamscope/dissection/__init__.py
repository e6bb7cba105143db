"""Which channels carry a class, and what is lost without them."""
