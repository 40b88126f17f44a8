"""cli/__main__: python -m nablac.cli."""

from nablac.cli import main

if __name__ == "__main__":
    main()
