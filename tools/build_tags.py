"""Build the built-in recognizer ``tags`` from the weights of musicnn (Pons & Serra 2019).

Nothing is trained. The file holds the weights under the names that they have in `earmark.models.musicnn`, so that the
backbone ``musicnn-msd`` is read from it too::

    pip download --no-deps musicnn==0.1.0
    python tools/build_tags.py musicnn-0.1.0-py3-none-any.whl src/earmark/zoo
"""

from __future__ import annotations

import argparse
import datetime as dt
from importlib import metadata
from pathlib import Path

import torch
from convert_musicnn import read_wheel

from earmark.features import Window
from earmark.files import write_bytes, write_text
from earmark.models.musicnn import Musicnn
from earmark.models.pretrained import MUSICNN_SIZES, PRETRAINED, fill, state_sha256
from earmark.recognizer import Card, DataSummary, assemble
from earmark.training.export import export_module

TAGS = (
    *("rock", "pop", "alternative", "indie", "electronic", "female vocalists", "dance", "00s", "alternative rock"),
    *("jazz", "beautiful", "metal", "chillout", "male vocalists", "classic rock", "soul", "indie rock", "Mellow"),
    *("electronica", "80s", "folk", "90s", "chill", "instrumental", "punk", "oldies", "blues", "hard rock", "ambient"),
    *("acoustic", "experimental", "female vocalist", "guitar", "Hip-Hop", "70s", "party", "country", "easy listening"),
    *(
        "sexy",
        "catchy",
        "funk",
        "electro",
        "heavy metal",
        "Progressive rock",
        "60s",
        "rnb",
        "indie pop",
        "sad",
        "House",
    ),
    "happy",
)
"""The labels of MSD_musicnn in the order of its outputs, spelt as the listeners of Last.fm did."""

WINDOW = Window(length_s=3.0, hop_s=1.5, min_s=0.5)
N_SONGS = 201_680
"""Of the training part of the split that the authors used."""
THRESHOLD = 0.15
"""Half of the F1 that can be had, which is near the mean average precision of 0.289 that the authors measured."""

LIMITS = (
    (
        "Tags are those that listeners gave to mostly Western popular music until about 2011: many are opinions"
        " (beautiful, catchy, sexy), several mean nearly the same (female vocalist and female vocalists, chill and"
        " chillout), and music of other traditions gets the nearest of them."
    ),
    "Speech, noise and machines get tags too: there is no detector of what is no music.",
    (
        "Its authors measured a mean average precision of 0.289 and an area under the ROC curve of 0.880 over the 50"
        " tags, on the 28,435 songs of the test part of their split, which are not free to measure on again."
    ),
    (
        f"A tag is given from a probability of {100 * THRESHOLD:.0f} % on. That is a rule, chosen after a look at how"
        " many tags GTZAN tracks get; no labels were fitted: for calibrated probabilities the threshold with the best"
        " F1 is half of that F1 (Lipton et al. 2014), and the F1 of such tags is near their average precision of 0.29."
        " Rare tags (sad, catchy, happy) are hardly ever given."
    ),
)


class Tagger(torch.nn.Module):
    """The network with the outputs that a recognizer has: logits, and the layer before them."""

    def __init__(self, body: Musicnn) -> None:
        super().__init__()
        self.body = body

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        penultimate = self.body.penultimate(self.body.pool(features))
        return self.body.tags(penultimate), penultimate


def card(notice: str) -> Card:
    """Return what the file says about itself, with the licence notice that every copy must have."""
    features = PRETRAINED["musicnn-msd"].features
    if features is None:
        raise SystemExit("musicnn has no features")
    return Card(
        name="tags",
        about="The 50 commonest tags that listeners gave to songs: genres, decades, voices, instruments and moods",
        task="tag",
        labels=TAGS,
        target="multi-label",
        thresholds=(THRESHOLD,) * len(TAGS),
        features=features,
        window=WINDOW,
        data=DataSummary(
            name="the Million Song Dataset with the tags of Last.fm",
            fingerprint="not known here",
            n_examples=N_SONGS,
            n_groups=0,
            source=f"{PRETRAINED['musicnn-msd'].source}; {PRETRAINED['musicnn-msd'].citation}",
            licence="previews of songs that belong to their owners and tags of Last.fm; none of it is in the file",
        ),
        limits=LIMITS,
        licence=f"ISC, copyright (c) Music Technology Group, Universitat Pompeu Fabra 2019\n{notice}",
        created=dt.datetime.now(dt.UTC).date().isoformat(),
        versions={library: metadata.version(library) for library in ("earmark", "torch", "onnx")},
    )


def main() -> None:
    """Read the weights, write the recognizer."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    weights, notice = read_wheel(options.wheel)
    state = {name: torch.tensor(value) for name, value in weights.items()}
    body = Musicnn(MUSICNN_SIZES)
    fill(body, state, name="musicnn-msd")
    example = torch.zeros(2, 1, 96, 187)
    network = export_module(
        Tagger(body).eval(),
        (example,),
        names=(["features"], ["logits", "embedding"]),
        dynamic=({0: torch.export.Dim("batch"), 3: torch.export.Dim.DYNAMIC},),
    )
    path = options.folder / "tags.onnx"
    write_bytes(path, assemble(network, card(notice)).SerializeToString(deterministic=True))
    write_text(options.folder / "musicnn-LICENSE.txt", notice)
    print(f"{path}: {path.stat().st_size} bytes, weights of SHA-256 {state_sha256(state)}")


if __name__ == "__main__":
    main()
