"""Exit codes."""

FAULT = 1
"""An unexpected error: a bug in dreamscope."""

REFUSED = 2
"""Bad input, or something that can't be done; the message says what."""

INTERRUPTED = 130
"""Ctrl-C: 128 + SIGINT, as shells have it."""
