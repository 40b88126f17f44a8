"""Equations as a person reads them: notation, index and matrix form, as boxes for text, LaTeX and MathML."""
