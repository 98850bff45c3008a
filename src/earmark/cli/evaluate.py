"""``earmark evaluate``: score a recognizer, with intervals."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from earmark import extras
from earmark.cli.output import AsJson, complain, print_json, print_pairs
from earmark.cli.progress import progress_on_stderr
from earmark.cli.source import As, Beside, Groups, OnCluster, on_cluster, read_source
from earmark.errors import UsageError
from earmark.storage import as_path
from earmark.text import counted, percent

if TYPE_CHECKING:
    from earmark.data import Manifest
    from earmark.evaluation import Outcome, Scores
    from earmark.evaluation.scores import ClassScore, MultiLabelScore
    from earmark.recognizer import Card, Recognizer

_N_NAMED = 10
_N_WORST = 5


def evaluate(
    model: Annotated[str, typer.Argument(help="A name from 'earmark models', an .onnx file, or the folder of a run.")],
    data: Annotated[
        str, typer.Option("--data", metavar="SOURCE", help="Labelled examples: folder, manifest, zip, npz.")
    ],
    split: Annotated[
        str | None,
        typer.Option(
            "--split", metavar="PART", help="Score only this part: train, valid (validation) or test; by default all."
        ),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option("--protocol", metavar="NAME", help="How to split: grouped, random, given, or a published split."),
    ] = None,
    as_json: AsJson = False,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", parser=as_path, help="Also write a report.")
    ] = None,
    protocols: Annotated[
        str | None,
        typer.Option(
            "--protocols",
            metavar="NAMES",
            help="Train again under each of these protocols: random,grouped,fault-filtered.",
        ),
    ] = None,
    folds: Annotated[
        int, typer.Option("--folds", min=3, help="With --protocols: number of folds of random and grouped.")
    ] = 5,
    seeds: Annotated[
        int, typer.Option("--seeds", min=1, help="With --protocols: number of repetitions, each with its own seed.")
    ] = 1,
    kind: As = None,
    groups: Groups = None,
    table: Beside = None,
    cluster: OnCluster = None,
) -> None:
    """Score a recognizer on labelled examples.

    The parts are those of the data when it is divided, else those that the recognizer was trained with. A recognizer
    that gives notes is also scored on a folder of recordings with MIDI files of the same names beside them. With
    --protocols the recipe of MODEL, or a baseline model when MODEL is 'baseline', is trained under each protocol, and
    the scores are printed side by side with the gap.
    """
    if protocols is not None:
        if split or protocol or html:
            raise UsageError("--protocols divides the data itself; leave --split, --protocol and --html out")
        from earmark.cli.protocols import compare

        source = read_source(data, kind=kind, groups=groups, table=table)
        compare(model, source, protocols=protocols, n_folds=folds, n_seeds=seeds, as_json=as_json)
        return
    if protocol and not split:
        raise UsageError(f"--protocol {protocol} divides the data; say which part to score: --split test")
    from earmark.evaluation import describe_protocol
    from earmark.evaluation.evaluate import evaluate as score_recognizer
    from earmark.recognizer import load

    extras.require("scoring", "train", "sklearn")
    recognizer = load(model)
    if _print_note_scores(recognizer, data, as_json=as_json, others=split or html or kind or groups or table):
        return
    reads = recognizer.card.features.reads
    prefer = reads[0] if len(reads) == 1 else None
    manifest = read_source(data, kind=kind, groups=groups, prefer=prefer, table=table)
    words = describe_protocol(None, split, source=manifest.name)
    if split is not None:
        manifest, words = _divided(manifest, recognizer.card, part=split, protocol=protocol)
    with on_cluster(cluster), progress_on_stderr() as progress:
        outcome, scores = score_recognizer(recognizer, manifest, split=split, protocol=words, progress=progress)
    if html is not None:
        _write_report(html, recognizer, manifest, outcome=outcome, scores=scores)
    if as_json:
        print_json(scores.to_dict())
    else:
        _print_scores(scores)
    if scores.n_failed:
        for failure in scores.failures[:_N_NAMED]:
            complain(f"{failure.input}: {failure.reason}")
        complain(f"{counted(scores.n_failed, 'example')} could not be scored; 'earmark check' says more")
        raise typer.Exit(1)


def _print_note_scores(recognizer: Recognizer, data: str, *, as_json: bool, others: object) -> bool:
    """Score the notes of recordings beside their MIDI files, if `data` is a folder of them; return whether it is."""
    from earmark.evaluation.notes import NoteScores, evaluate_notes, recordings_with_midi

    if not Path(data).is_dir() or not (pairs := recordings_with_midi(Path(data))):
        return False
    if others:
        raise UsageError(f"{data}: recordings with MIDI files are scored whole; give --data alone, or with --json")
    with progress_on_stderr() as progress:
        scores: NoteScores = evaluate_notes(recognizer, pairs, progress=progress)
    if as_json:
        print_json(scores.to_dict())
        return True
    found = (("note F1", scores.f1), ("with offset", scores.f1_with_offset), ("frame F1", scores.frame_f1))
    worst = sorted(scores.pieces, key=lambda piece: piece.f1)[:_N_WORST]
    print(f"{counted(len(pairs), 'piece')}, {counted(sum(piece.n_notes for piece in scores.pieces), 'note')}")
    print_pairs(
        {name: f"{mean:.3f} (95 % interval {low:.3f} to {high:.3f})" for name, (mean, (low, high)) in found}
        | {"worst pieces": ", ".join(f"{Path(piece.piece).name} {piece.f1:.3f}" for piece in worst)}
    )
    return True


def _divided(manifest: Manifest, card: Card, *, part: str, protocol: str | None) -> tuple[Manifest, str]:
    """Return the examples, each in a part, and the words for how that came about."""
    from earmark.data import Split, apply_split
    from earmark.evaluation import describe_protocol

    if protocol is not None:
        how = Split.parse({"protocol": protocol}, where="--protocol")
    elif any(example.split for example in manifest):
        return manifest, describe_protocol(None, part, source=manifest.name)
    else:
        how = Split.parse(card.recipe.get("split", {}), where=f"the recipe of {card.name}")
        manifest = manifest.hashed()
        # A card of format 2 says itself what was trained on; of format 1 only whether the data set is the same.
        if not card.data.content_hashes and manifest.fingerprint != card.data.fingerprint:
            complain(
                f"{manifest.name} is not the data set that {card.name} was trained on, so its {part} part may hold"
                " training examples"
            )
    return apply_split(manifest, how), describe_protocol(how.description, part)


def _write_report(path: Path, recognizer: Recognizer, manifest: Manifest, *, outcome: Outcome, scores: Scores) -> None:
    from earmark.evaluation import write_report
    from earmark.evaluation.evaluate import example_feature_maps

    card = recognizer.card
    write_report(
        path,
        title=card.name,
        scores=scores,
        outcome=outcome,
        picture=example_feature_maps(recognizer, manifest, outcome),
        origin="upper" if card.features.domain == "ink" else "lower",
        card=card,
    )


def _label_pairs(scores: Scores, found: MultiLabelScore) -> dict[str, str]:
    """Return what is printed of multi-label answers."""
    ranked = sorted((row for row in scores.per_class if row.average_precision is not None), key=lambda row: -row.f1)

    def named(rows: list[ClassScore]) -> str:
        intervals = [(row.f1, *(row.f1_interval or (row.f1, row.f1)), row.label) for row in rows]
        return ", ".join(f"{label} {f1:.2f} ({low:.2f} to {high:.2f})" for f1, low, high, label in intervals)

    return {
        "macro F1": f"{scores.macro_f1:.3f}",
        "micro F1": f"{found.micro_f1:.3f}",
        "labels right": f"{found.labels_per_example:.1f} an example; given {found.answers_per_example:.1f}",
        "all labels right": percent(scores.accuracy),
        "always the commonest": percent(scores.majority_accuracy),
        "calibration error": f"{scores.ece:.3f}",
        "best F1": named(ranked[:_N_WORST]),
        "worst F1": named(ranked[: -_N_WORST - 1 : -1]),
    }


def _print_scores(scores: Scores) -> None:
    print(scores.sentence)
    if scores.multi_label is not None:
        print_pairs(_label_pairs(scores, scores.multi_label))
        return
    track, clip, selective = scores.per_track, scores.per_clip, scores.selective
    worst = sorted((row for row in scores.per_class if row.support), key=lambda row: row.recall)[:_N_WORST]
    print_pairs(
        {
            "balanced accuracy": percent(scores.balanced_accuracy),
            "macro F1": f"{scores.macro_f1:.3f}",
            **{f"truth among {k} best": percent(share) for k, share in scores.top_k.items()},
            "per recording": percent(track.accuracy) if track else "",
            "per window": percent(clip.accuracy) if clip else "",
            "calibration error": f"{scores.ece:.3f}",
            "answered": percent(selective.answered) if selective else "",
            "right among these": percent(selective.precision) if selective else "",
            "octave errors": percent(scores.pitch.octave_error_rate) if scores.pitch else "",
            "always the commonest": percent(scores.majority_accuracy),
            "worst labels": ", ".join(f"{row.label} {percent(row.recall)}" for row in worst if row.recall < 1),
        }
    )
