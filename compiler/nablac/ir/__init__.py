"""The first language: programs of equations over named indices, with no order of loops and no memory."""
