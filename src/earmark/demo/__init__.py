"""Demonstration: samples made in code, and a run of everything on them in a few minutes, offline."""
