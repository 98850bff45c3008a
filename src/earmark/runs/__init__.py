"""Runs: train, cross-validate, compare, tune and submit."""
