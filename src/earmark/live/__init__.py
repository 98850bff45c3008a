"""Sound as it arrives: sources, noise removal, windows over a stream, and a steady answer."""

from earmark.live.denoise import Denoise, Denoiser, denoise
from earmark.live.denoise_file import denoise_file

__all__ = ["Denoise", "Denoiser", "denoise", "denoise_file"]
