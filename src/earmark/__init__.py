"""Earmark."""
