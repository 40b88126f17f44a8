"""nablac: a symbolic differentiation and code-generation compiler for neural networks."""
