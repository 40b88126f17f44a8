"""cli/__main__: python -m nablac.cli."""

from nablac.cli import main

main()
