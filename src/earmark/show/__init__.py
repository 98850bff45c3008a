"""Pictures of a data set to look at: a gallery of examples, and the whole set as spectrogram or ink pictures."""

from earmark.show.everything import Rendering, render_all
from earmark.show.gallery import write_gallery
from earmark.show.render import Look

__all__ = ["Look", "Rendering", "render_all", "write_gallery"]
