"""Live recognition: sources of sound, noise removal, windows over a stream, and a smoothed answer."""

from earmark.live.denoise import DenoiseConfig, Denoiser, denoise
from earmark.live.denoise_file import denoise_file
from earmark.live.listener import ListenConfig, Listener
from earmark.live.microphone import Microphone, devices
from earmark.live.recording import recording
from earmark.live.session import SessionStats, run_session
from earmark.live.source import Chunk, FileSource, Source
from earmark.live.update import Update

__all__ = [
    "Chunk",
    "DenoiseConfig",
    "Denoiser",
    "FileSource",
    "ListenConfig",
    "Listener",
    "Microphone",
    "SessionStats",
    "Source",
    "Update",
    "denoise",
    "denoise_file",
    "devices",
    "recording",
    "run_session",
]
