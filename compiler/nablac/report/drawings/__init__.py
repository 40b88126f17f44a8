"""The model's graph and the plot of a step, as SVG, as DOT and in characters."""
