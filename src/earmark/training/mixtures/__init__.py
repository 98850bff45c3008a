"""Mixtures of piano keys, rendered from recordings of single notes: what a network of several keys learns from."""
