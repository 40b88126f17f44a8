"""Verbs on one equation: rename, derive, pull back, push forward, rewrite by laws, cost."""
