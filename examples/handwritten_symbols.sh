#!/bin/sh
# Handwritten music symbols: handwritten_symbols.sh HOMUS OUT [words for earmark train]
# HOMUS is the official zip, or the unpacked folder.
set -eu
HOMUS=$1 OUT=$2; shift 2
EARMARK=${EARMARK:-earmark}

# Every symbol as a picture of 96 × 192 pixels, and what the network sees, plain and augmented.
$EARMARK show "$HOMUS" --all -o "$OUT/png" --size 96x192 --pen 3
$EARMARK show "$HOMUS" -o "$OUT/gallery" --per-label 2 --recipe drawing --augmented 2

# No writer is in two parts; the report names what is confused.
$EARMARK train drawing --data "$HOMUS" -o "$OUT/run" "$@"
$EARMARK evaluate "$OUT/run" --data "$HOMUS" --split test --html "$OUT/test.html"
