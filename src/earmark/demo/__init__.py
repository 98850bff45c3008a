"""Demonstration: recognise, train, score and report in a few minutes, offline."""

from earmark.demo.run import DemoResult, Recognition, run_demo

__all__ = ["DemoResult", "Recognition", "run_demo"]
