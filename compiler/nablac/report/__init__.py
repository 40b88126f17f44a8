"""What ``inspect`` shows: the compiled program as text and LaTeX."""
