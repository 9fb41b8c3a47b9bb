"""Measurements for people and programs: a table, JSON, and a page with plots and the worst pictures."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from rotnet.evaluation.measuring import Evaluation, rates, summary
from rotnet.evaluation.scores import angle_curve, quadrants, reliability, risk_coverage

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = {
    "pictures": "pictures",
    "mean": "mean",
    "median": "median",
    "p90": "P90",
    "p95": "P95",
    "within_2": "≤ 2°",
    "within_5": "≤ 5°",
    "within_10": "≤ 10°",
    "gross": "> 45°",
    "quadrant": "quadrant",
    "calibration_error": "ECE",
}
DEGREES, SHARES = ("mean", "median", "p90", "p95"), ("within_2", "within_5", "within_10", "gross", "quadrant")
RATES = {
    "upright_turned_over_5": "upright pictures turned by more than 5°",
    "upright_turned_over_10": "upright pictures turned by more than 10°",
    "crooked_turned": "crooked pictures turned",
    "crooked_corrected": "crooked pictures brought within 5° of upright",
    "turned_wrongly": "crooked pictures turned over 10° wrong",
}
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 1100px; margin: 2em auto; padding: 0 1em }
table { border-collapse: collapse; margin: 1em 0 } td, th { padding: .25em .8em; text-align: right }
th { border-bottom: 1px solid #999; font-weight: 600 } td:first-child, th:first-child { text-align: left }
img { max-width: 100% } h2 { margin-top: 2em }
.plots { display: flex; flex-wrap: wrap; gap: 1em; align-items: flex-start } .plots img { max-width: 48% }
"""


@dataclass(frozen=True)
class Report:
    """What was measured of one model.

    Attributes:
        model: Its name.
        protocols: Evaluation by protocol; plots are of the first.
        upright: Answers to the pictures as they are.
        rivals: By task and name, from `rotnet.evaluation.rivals.compare`.
    """

    model: str
    protocols: Mapping[str, Evaluation]
    upright: Evaluation
    rivals: Mapping[str, Mapping[str, Evaluation]] = field(default_factory=dict)

    @property
    def first(self) -> Evaluation:
        """The evaluation that curves and plots are about."""
        return next(iter(self.protocols.values()))

    def as_dict(self) -> dict[str, Any]:
        """All figures, ready for JSON; degrees, and shares in [0, 1]."""
        return {
            "model": self.model,
            "protocols": {name: _figures(name, found) for name, found in self.protocols.items()},
            "threshold": {key: round(rate, 4) for key, rate in rates(self.first, self.upright).items()},
            **_curves(self.first),
            "rivals": {
                task: {name: summary(found) for name, found in by_name.items()} for task, by_name in self.rivals.items()
            },
        }

    def as_text(self) -> str:
        """The figures as tables for a terminal."""
        return "\n\n".join("\n".join(_align(rows)) for _, rows in self._tables())

    def as_html(self) -> str:
        """A page on its own, with plots and the worst pictures.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        from rotnet.evaluation import plots as drawn
        from rotnet.evaluation.figures import plot_error_histogram

        found = self.first
        plots = [plot_error_histogram(found.errors), drawn.plot_angle_curve(found.truth, found.angles)]
        if not np.isnan(found.confidence).any():
            plots.append(drawn.plot_reliability(found.confidence, found.right))
            plots.append(drawn.plot_risk_coverage(found.confidence, found.errors))
        plots.append(drawn.plot_quadrants(found.truth, found.angles))
        parts = [f"<h1>{escape(self.model)}</h1>"]
        for title, rows in self._tables():
            parts += [f"<h2>{escape(title)}</h2>", _html_table(rows)]
        parts += ["<h2>Plots</h2>", '<div class="plots">', *map(_image, plots), "</div>"]
        parts += ["<h2>The worst</h2>", "<p>Arrows: where the top is, and, dotted, where the model believes it.</p>"]
        parts.append(_image(drawn.show_worst(found, count=24)))
        marks = '<meta charset=\'utf-8\'><meta name="generator" content="rotnet">'
        head = f"{marks}<title>{escape(self.model)}</title><style>{STYLE}</style>"
        return f"<!doctype html>\n<html lang='en'><head>{head}</head><body>\n" + "\n".join(parts) + "\n</body></html>\n"

    def _tables(self) -> Iterator[tuple[str, list[list[str]]]]:
        yield "Errors", _score_rows("protocol", self.protocols)
        shares = [[RATES[key], _percent(rate)] for key, rate in rates(self.first, self.upright).items()]
        yield "At the model's own threshold", [["at the model's own threshold", "share"], *shares]
        for task, by_name in self.rivals.items():
            yield f"Beside others, {task}", _score_rows(task, by_name)


def _figures(protocol: str, found: Evaluation) -> dict[str, Any]:
    figures: dict[str, Any] = dict(summary(found))
    if protocol == "noise":
        contents = np.array([trial.content for trial in found.trials])
        figures["mean_by_content"] = {
            str(content): round(float(found.errors[contents == content].mean()), 4) for content in np.unique(contents)
        }
    return figures


def _curves(found: Evaluation) -> dict[str, Any]:
    curves: dict[str, Any] = {
        "by_angle": _rows(("angle", "mean", "median"), *angle_curve(found.truth, found.angles)),
        "quadrants": quadrants(found.truth, found.angles).tolist(),
    }
    if not np.isnan(found.confidence).any():
        names = ("confidence", "right", "answers")
        curves["reliability"] = _rows(names, *reliability(found.confidence, found.right))
        coverage, risk, least = risk_coverage(found.confidence, ~found.right)
        tenths = np.unique(np.ceil(np.arange(0.1, 1.05, 0.1) * len(coverage)).astype(int) - 1)
        names = ("coverage", "risk", "min_confidence")
        curves["risk_coverage"] = _rows(names, coverage[tenths], risk[tenths], least[tenths])
    return curves


def _rows(names: tuple[str, ...], *columns: Any) -> list[dict[str, float | None]]:
    values = [[None if np.isnan(one) else round(float(one), 4) for one in column] for column in columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]


def _score_rows(what: str, by_name: Mapping[str, Evaluation]) -> list[list[str]]:
    rows = [[what, *COLUMNS.values()]]
    for name, found in by_name.items():
        figures = summary(found)
        rows.append([name, *(_cell(key, figures.get(key)) for key in COLUMNS)])
    return rows


def _cell(key: str, value: float | None) -> str:
    if value is None:
        return "–"
    if key in DEGREES:
        return f"{value:.1f}°"
    return _percent(value) if key in SHARES else f"{value:g}" if key == "pictures" else f"{value:.3f}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _align(rows: list[list[str]]) -> Iterator[str]:
    first, *others = (max(map(len, column)) for column in zip(*rows, strict=True))
    for name, *cells in rows:
        yield "  ".join([name.ljust(first), *(cell.rjust(width) for cell, width in zip(cells, others, strict=True))])


def _html_table(rows: list[list[str]]) -> str:
    tags = ["th", *["td"] * (len(rows) - 1)]
    lines = ("".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in row) for tag, row in zip(tags, rows, strict=True))
    return "<table><tr>" + "</tr>\n<tr>".join(lines) + "</tr></table>"


def _image(figure: Figure) -> str:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=100)
    return f"<img alt='' src='data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}'>"
