"""``python -m mirstore.cli``."""

from mirstore.cli import main

main()
