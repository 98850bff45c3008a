"""Rejection: out-of-distribution detectors and thresholds that let a recognizer answer ``unknown``."""
