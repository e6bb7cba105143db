"""``python -m dreamscope``."""

from dreamscope.cli import main

main()
