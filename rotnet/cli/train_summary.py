"""What is said when a training has ended: where the model lies, how good it is, and what to do next."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SURE = 2.0  # standard deviations, from where a difference between two models is called one
ROWS = (("median error", "median", "°"), ("within 5 degrees", "within_5", "%"), ("over 45 degrees off", "gross", "%"))


def photos_summary(report: Mapping[str, Any], folder: Path, output: Path) -> str:
    """The closing words of `rotnet train photos`.

    Args:
        report: What `rotnet.training.run_photos` gives.
        folder: Holds the pictures.
        output: Folder of the run.
    """
    model, found = output / "model.onnx", report["files"]
    rivals: Mapping[str, Any] = report.get("beside", {})
    lines = [f"The model is ready: {model}", ""]
    lines += [
        f"On {report['held_out']} pictures that it has not learned from, each turned by "
        f"{found['pictures'] // max(1, report['held_out'])} angles and saved ({found['pictures']} files):",
        "",
        *_table({"this model": found, **rivals}),
        "",
    ]
    if report["guessing"]:
        elsewhere = output.with_name(f"{output.name}-from-photo")
        lines += [
            "That is no better than guessing: do not use this model. Give it more pictures or more epochs (--epochs), "
            "make sure that the pictures stand upright, or go on from a model that knows already:",
            "",
            f"  rotnet train photos {quoted(folder)} --from photo -o {quoted(elsewhere)}",
        ]
    else:
        lines += [_comparison(name, found, other, report["held_out"]) for name, other in rivals.items()]
        lines += [
            f"{output} also holds learning-curves.png, examples.png (what the network was shown), worst.png (its worst "
            "answers) and metrics.json (all figures).",
            "",
            "Next, let it look at pictures of yours:",
            "",
            f"  rotnet predict DIR --model {quoted(model)}",
        ]
    return "\n".join(lines)


def mnist_summary(report: Mapping[str, Any], output: Path) -> str:
    """The closing words of `rotnet train mnist`."""
    model, found = output / "model.onnx", report["test"]
    if report["guessing"]:
        closing = ["That is no better than guessing: do not use this model. Give it more epochs (--epochs)."]
    else:
        closing = ["Next, let it look at digits of yours:", "", f"  rotnet predict DIR --model {quoted(model)}"]
    return "\n".join(
        [
            f"The model is ready: {model}",
            "",
            f"On {found['pictures']} test digits, each turned by an angle of its own:",
            "",
            *_table({"this model": found}),
            "",
            *closing,
        ]
    )


def classes_summary(reports: Mapping[str, Mapping[str, Any]], folders: Mapping[str, Path]) -> str:
    """The closing words of `rotnet train classifier` and `rotnet train upright`.

    Args:
        reports: What `rotnet.evaluation.classification_scores.classification_report` gives, by network.
        folders: Of their runs.
    """
    lines: list[str] = []
    for name, report in reports.items():
        lines += [f"{name}: {report['accuracy']:.0%} of the held-out pictures right", ""]
        lines.append(f"  {'':<20}{'precision':>10}{'recall':>10}{'F1':>10}{'pictures':>10}")
        for row, values in report.items():
            if isinstance(values, Mapping):
                numbers = (values["precision"], values["recall"], values["f1-score"])
                shown = "".join(f"{number:>10.2f}" for number in numbers)
                lines.append(f"  {row:<20}{shown}{values['support']:>10.0f}")
        if "auc" in report:
            lines.append(f"  {'area under ROC':<20}{report['auc']:>10.2f}")
        lines.append("")
    best = max(reports, key=lambda name: reports[name]["accuracy"])
    if len(reports) > 1:
        lines += [f"The best of them is {best}.", ""]
    lines += [f"The model is ready: {folders[best] / 'model.keras'}", ""]
    if reports[best]["guessing"]:
        return "\n".join(
            [
                *lines,
                "As far as so many pictures can tell, that is no better than saying the most frequent class each time.",
                "Give it more pictures or more epochs, and look whether the pictures lie in the right folders.",
            ]
        )
    return "\n".join(
        [
            *lines,
            "Next, ask it about pictures of yours:",
            "",
            f"  rotnet classify PATH --model {quoted(folders[best])}",
        ]
    )


def quoted(path: Path) -> str:
    """A path as a shell takes it."""
    return shlex.quote(str(path))


def _table(columns: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Scores beside each other, a column a model."""
    width = max(12, *(len(name) + 2 for name in columns))
    lines = [f"  {'':<20}" + "".join(f"{name:>{width}}" for name in columns)]
    for label, key, unit in ROWS:
        shown = (f"{one[key]:.1f}°" if unit == "°" else f"{one[key]:.0%}" for one in columns.values())
        lines.append(f"  {label:<20}" + "".join(f"{text:>{width}}" for text in shown))
    return lines


def _comparison(name: str, found: Mapping[str, Any], other: Mapping[str, Any], pictures: int) -> str:
    """Which of two models is right more often, where so many pictures can tell; further angles of one tell little."""
    spread = sum(one["within_5"] * (1 - one["within_5"]) / pictures for one in (found, other)) ** 0.5
    ahead = found["within_5"] - other["within_5"]
    if ahead > SURE * spread:
        return f"On pictures like these it does better than {name}."
    if ahead < -SURE * spread:
        return f"{name} does better on these pictures: go on with that one, or teach from it with --from {name}."
    return f"Whether it or {name} is better, so few pictures do not tell; it may be chance."
