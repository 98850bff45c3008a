#!/bin/sh
# Genre from spectrogram pictures: genre_pictures.sh DATA OUT [words for earmark train]
# DATA holds train/, val/ and test/ with a folder of PNGs per genre in each.
set -eu
DATA=$1 OUT=$2; shift 2
EARMARK=${EARMARK:-earmark}

# What is in the data, and what it looks like.
$EARMARK check "$DATA" --as picture
$EARMARK show "$DATA" --read-as picture -o "$OUT/gallery" --per-label 3

# Learn; colour map, margins and axes are found in the training part.
$EARMARK train picture/minivgg --data "$DATA" --as picture -o "$OUT/run" "$@"

# The report with the confusion matrix, and answers to single pictures.
$EARMARK evaluate "$OUT/run" --data "$DATA" --as picture --split test --html "$OUT/test.html"
$EARMARK predict "$OUT/run" "$DATA/test" --top 1 --format csv > "$OUT/answers.csv"

# A competition file: one row for each picture of the test folder.
{
    echo id,label
    (cd "$DATA/test" && find . -name '*.png' | sort | sed 's|^\./||; s|$|,|')
} > "$OUT/sample.csv"
$EARMARK submit "$OUT/run" --data "$DATA/test" --sample "$OUT/sample.csv" -o "$OUT/submission.csv"
