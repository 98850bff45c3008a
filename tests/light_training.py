"""``earmark train`` without what takes long to import: no export, no report. As a program, the second process dies."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import nullcontext

import numpy as np

from earmark import cli
from earmark.evaluation import Outcome, score
from earmark.runs import train as run
from earmark.training import loop

SCORES = score(
    Outcome.from_logits(np.eye(2), np.array([0, 1]), labels=("Lies", "Stands"), groups=list("ab")), protocol="made up"
)


def lighten(put=setattr):
    """Leave out of a run whatever is not the fit."""
    put(run, "export_network", lambda *_: None)
    put(run, "_file", lambda *_: nullcontext())
    put(run, "calibrate", lambda *_, **__: 1.0)
    put(run, "_judge", judge)
    put(run, "recognizer_file", lambda path, *_: path)


def judge(*_, folder, **__):
    (folder / "scores.json").write_text(SCORES.to_json())
    return SCORES


def die_in_the_third_epoch():
    validate, seen = loop.validate, []

    def validate_or_die(*args, **kwargs):
        seen.append(1)
        if len(seen) == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return validate(*args, **kwargs)

    loop.validate = validate_or_die


if __name__ == "__main__":
    lighten()
    if os.environ["RANK"] == "1":
        die_in_the_third_epoch()
    cli.main(sys.argv[1:])
