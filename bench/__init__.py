"""Benchmarks: generated modules against PyTorch in paired rounds, and the time that compiling takes."""
