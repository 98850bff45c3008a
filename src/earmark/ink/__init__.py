"""Drawings: pen strokes and scanned ink, read strictly and brought to one raster.

Coordinates are x to the right, y down. In a raster, pixel ``(row, column)`` covers the unit square whose centre is
``(column + 0.5, row + 0.5)``; 0 is paper, 1 is ink.
"""

from earmark.ink.draw import draw_planes, draw_strokes, place_strokes
from earmark.ink.images import IMAGE_EXTENSIONS, MAX_PIXELS, read_image
from earmark.ink.strokes import make_ink, parse_json_strokes, parse_strokes
from earmark.ink.trace import trace

__all__ = [
    "IMAGE_EXTENSIONS",
    "MAX_PIXELS",
    "draw_planes",
    "draw_strokes",
    "make_ink",
    "parse_json_strokes",
    "parse_strokes",
    "place_strokes",
    "read_image",
    "trace",
]
