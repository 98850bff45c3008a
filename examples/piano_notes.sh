#!/bin/sh
# Which piano key sounds, from pictures: piano_notes.sh DATA OUT [words for earmark train]
# DATA is a folder of single notes with labels.csv (file, piano, midi or note).
set -eu
DATA=$1 OUT=$2; shift 2
EARMARK=${EARMARK:-earmark}

# Constant-Q pictures, a third of a semitone a row, of one size.
$EARMARK show "$DATA" --all -o "$OUT/pictures" --features constant-q --colours viridis --size 224x224 \
    --set sample_rate_hz=16000 --set n_bins=288 --set bins_per_octave=36 --set f_min_hz=27.5 --set hop_samples=512
$EARMARK train picture/resnet18 --data "$OUT/pictures/manifest.csv" --as picture -o "$OUT/run" "$@"

# MIDI numbers for every picture.
{
    echo id,midi
    (cd "$OUT/pictures" && find . -name '*.png' | sort | sed 's|^\./||; s|$|,|')
} > "$OUT/sample.csv"
$EARMARK submit "$OUT/run" --data "$OUT/pictures" --sample "$OUT/sample.csv" -o "$OUT/submission.csv" --as midi
