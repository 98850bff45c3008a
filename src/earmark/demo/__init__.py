"""The whole story in a few minutes, offline."""

from earmark.demo.story import Showing, Story, tell

__all__ = ["Showing", "Story", "tell"]
