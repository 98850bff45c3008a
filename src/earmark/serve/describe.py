"""OpenAPI by hand, because `Predict` reads its body itself, past FastAPI, which therefore cannot describe it."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from earmark.config import Config
from earmark.serve.problems import PROBLEM_JSON

_BINARY = {"schema": {"type": "string", "format": "binary"}}
_STROKES = {"strokes": [[[3, 0], [3, 40]], [[10, 0], [10, 40]]]}
_SAMPLES = {"samples": [0.0, 0.1, 0.0, -0.1], "sample_rate_hz": 44100}

_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {"file": {"type": "array", "items": {"type": "string", "format": "binary"}}},
            },
        },
        "application/json": {
            "schema": {"type": "object"},
            "examples": {
                "strokes": {"value": _STROKES},
                "samples": {"value": _SAMPLES},
                "several": {"value": {"items": [{"name": "first", **_STROKES}, {"name": "second", **_STROKES}]}},
            },
        },
        "audio/*": _BINARY,
        "image/*": _BINARY,
        "application/octet-stream": _BINARY,
    },
}

RECOGNIZER_BODY: dict[str, Any] = {"requestBody": {"required": True, "content": {"application/octet-stream": _BINARY}}}

_PREDICTION = {
    "input": "key.wav",
    "label": "A4",
    "confidence": 0.93,
    "note": "A4",
    "midi": 69,
    "hz": 440.0,
    "familiarity": 0.99,
    "top": [{"label": "A4", "confidence": 0.93, "note": "A4", "midi": 69, "hz": 440.0}],
}

_DECLINED = {
    "input": "talk.wav",
    "label": "unknown",
    "confidence": 0.01,
    "familiarity": 0.02,
    "reason": "unlike anything learned: its familiarity is 2.0 %, and 50.0 % is needed",
    "top": [{"label": "A4", "confidence": 0.01, "note": "A4", "midi": 69, "hz": 440.0}],
}

_TAGGED = {
    "input": "song.mp3",
    "label": "rock",
    "confidence": 0.41,
    "top": [
        {"label": "rock", "confidence": 0.41},
        {"label": "80s", "confidence": 0.22},
        {"label": "pop", "confidence": 0.1},
    ],
    "labels": [{"label": "rock", "confidence": 0.41}, {"label": "80s", "confidence": 0.22}],
}

_KEYS = {"C4": (60, 261.63), "E4": (64, 329.63), "G4": (67, 392.0)}
_STRUCK = [
    {"label": name, "confidence": 0.98, "note": name, "midi": midi, "hz": hz} for name, (midi, hz) in _KEYS.items()
]
_SOUNDING = [{"midi": midi, "name": name, "frequency_hz": hz, "confidence": 0.98} for name, (midi, hz) in _KEYS.items()]
_CHORD = {
    "input": "chord.wav",
    **_STRUCK[0],
    "top": _STRUCK,
    "labels": _STRUCK,
    "sounding": _SOUNDING,
    "chord": {"symbol": "C", "name": "C major", "root": "C", "quality": "major", "bass": "C"},
    "timeline": [{"start_s": 0.0, "end_s": 1.5, **_STRUCK[0]}],
    "segments": [{"start_s": 0.0, "end_s": 1.5, **_STRUCK[0]}],
    "notes": [{"start_s": 0.1, "end_s": 1.4, "midi": 60, "name": "C4", "velocity": 64, "confidence": 0.99}],
    "key": {
        "name": "C major",
        "scale": "C major",
        "degrees": ["C", "D", "E", "F", "G", "A", "B"],
        "correlation": 0.9,
        "runner_up": "A minor",
    },
}

_SYMBOL = {
    "label": "Barline",
    "confidence": 1.0,
    "strokes": [0],
    "box": [3, 0, 3, 40],
    "anchor": 20,
    "top": [{"label": "Barline", "confidence": 1.0}],
}

_RESPONSES: dict[str, dict[str, Any]] = {
    "200": {
        "description": "One prediction, or `results` when the request holds several inputs. A multi-label model also"
        " gives `labels`: all that reach their thresholds. A model of piano keys also gives `sounding`, the keys that"
        " sound, and `chord`; with frame outputs, `timeline=true` also gives `notes` and the `key` of the piece,"
        " and `wanted=midi` a MIDI file in place of the answer.",
        "content": {
            "application/json": {
                "examples": {
                    "one": {"value": _PREDICTION},
                    "declined": {"value": _DECLINED},
                    "multi-label": {"value": _TAGGED},
                    "chord with its notes": {"value": _CHORD},
                    "several": {"value": {"results": [_PREDICTION]}},
                }
            },
            "audio/midi": {},
        },
    },
    **{
        str(status): {"description": description, "content": {PROBLEM_JSON: {}}}
        for status, description in {
            400: "The call does not fit the model.",
            401: "A token is needed.",
            404: "There is no such model.",
            408: "The body came too slowly.",
            413: "Too many bytes, seconds, pixels or inputs.",
            415: "A type of body that is not taken.",
            422: "The input cannot be read.",
            429: "Busy; see Retry-After.",
            504: "It took too long.",
        }.items()
    },
}


def predict_operation(query: type[Config]) -> dict[str, Any]:
    """Return how OpenAPI describes a prediction with query parameters of this form."""
    return {
        "summary": "Recognise",
        "operationId": "predict",
        "parameters": _parameters(query),
        "requestBody": _BODY,
        "responses": _RESPONSES,
    }


def read_operation(query: type[Config]) -> dict[str, Any]:
    """Return how OpenAPI describes the reading of a line with query parameters of this form."""
    line = {**_STROKES, "staff": {"top": 0, "space": 10}, "known": [{"label": "Barline", "strokes": [0]}]}
    body = {"application/json": {"schema": {"type": "object"}, "example": line}}
    answer = {"staff": line["staff"], "symbols": [_SYMBOL], "svg": "<svg …>"}
    media = {
        "application/json": {"example": answer},
        "application/vnd.recordare.musicxml+xml": {},
        "application/zip": {},
    }
    problems = {status: response for status, response in _RESPONSES.items() if status != "200"}
    return {
        "summary": "Read a line of symbols",
        "operationId": "read",
        "parameters": _parameters(query),
        "requestBody": {"required": True, "content": body},
        "responses": {"200": {"description": "What `wanted` asks for.", "content": media}, **problems},
    }


def _parameters(query: type[Config]) -> list[dict[str, Any]]:
    model = {
        "name": "model",
        "in": "path",
        "required": True,
        "schema": {"type": "string"},
        "description": "One of /v1/models.",
    }
    fields = query.model_json_schema()["properties"]
    return [model, *({"name": name, "in": "query", "schema": schema} for name, schema in fields.items())]


def about() -> dict[str, Any]:
    """Return title, version and description."""
    return {
        "title": "Earmark",
        "version": version("earmark"),
        "description": "Recognise music by ear and by mark. Errors are problem+json (RFC 9457).",
        "license_info": {"name": "MIT", "identifier": "MIT"},
    }
