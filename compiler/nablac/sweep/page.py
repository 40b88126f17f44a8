"""sweep/page: the results as one HTML page that needs no network, and to be read no script.

Whatever comes from a spec or from the command line is escaped, and a content security policy allows the page's own
style and script, by their hashes, and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
from html import escape
from pathlib import Path

from nablac.emit.render import folder
from nablac.sweep.chart import chart
from nablac.sweep.results import Results, Row, shown_number

MOST_FAILURES = 100


def page(results: Results) -> str:
    """The page: the chart, the table, what failed."""
    style, script = (Path(folder(), f"sweep.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    policy = f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; base-uri 'none'"
    plan = results.plan
    title = f"Sweep of {plan.name}"
    best = results.best
    told = "" if best is None else (
        f"<p>The best: setting {best[0].setting}, {escape(results.by)} {_number(best[0], results.by)}; "
        f"its best run is <code>runs/{best[1].key}</code>.</p>"
    )  # fmt: skip
    drawing = chart(results)
    figure = (
        f"<figure>{drawing}<figcaption>A line for each setting: the stronger, the better its "
        f"{escape(results.by)}. A dashed line has no measure: a run of it failed."
        '<span class="hint"> Drag along an axis to keep the lines that pass there; click the axis to let go.</span>'
        "</figcaption></figure>"
    )
    return "\n".join([
        "<!doctype html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<style>{style}</style></head><body>",
        f"<header><h1>{escape(title)}</h1><p>{escape(plan.described)}.</p>{told}</header>",
        figure if drawing else "",
        _table(results),
        _failures(results),
        f"<script>{script}</script></body></html>\n",
    ])  # fmt: skip


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _table(results: Results) -> str:
    titles = ["", *results.plan.keys, *results.shown, "seconds", ""]
    head = "".join(f'<th scope="col">{escape(title)}</th>' for title in titles)
    rows = "\n".join(_row(row, results) for row in results.rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>\n{rows}\n</tbody></table></div>'


def _row(row: Row, results: Results) -> str:
    cells = [f"<td>{row.setting}</td>", *(f"<td>{escape(text)}</td>" for text in row.values)]
    for name in results.shown:
        value = row.measures.get(name, (float("nan"), 0.0))[0]
        cells.append(f'<td data-value="{value!r}">{_number(row, name)}</td>')
    status = "" if set(row.ends) == {"done"} else escape(row.status)
    cells += [f'<td data-value="{row.seconds:.3f}">{row.seconds:.2g}</td>', f'<td class="status">{status}</td>']
    return f'<tr data-setting="{row.setting}">{"".join(cells)}</tr>'


def _number(row: Row, name: str) -> str:
    """The mean, and the deviation where there is one."""
    mean, deviation = row.measures.get(name, (float("nan"), float("nan")))
    return shown_number(mean) + (f"<small> ± {deviation:.2g}</small>" if deviation == deviation else "")


def _failures(results: Results) -> str:
    failures = results.failures
    items = "\n".join(
        f"<li>Setting {trial.setting}, seed {trial.task.training['seed']}: {escape(outcome.status)}"
        f"<pre>{escape(outcome.reason)}</pre></li>"
        for trial, outcome in failures[:MOST_FAILURES]
    )
    more = f"<p>… and {len(failures) - MOST_FAILURES} more</p>" if len(failures) > MOST_FAILURES else ""
    return f"<section><h2>What failed</h2><ul>\n{items}\n</ul>{more}</section>" if failures else ""
