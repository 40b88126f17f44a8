"""emit/view: what the templates are filled with, one finished string a field and nothing else."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EstimatorView:
    """What scikit-learn's estimator of a model is made of."""

    kind: str
    base: str
    settings: str
    given: str
    table: str
    target: str
    weight: str
    columns: str
    output: str
    scores: str


@dataclass(frozen=True)
class ModelView:
    """A module's text in pieces; the templates hold the rest.  ``layout`` names the outermost template.

    The fields but ``layout`` are exactly the templates' variables (a test compares them).
    """

    layout: str
    # the header
    version: str
    name: str
    title: str
    formulas: str
    conventions: str
    spec: str
    spec_short: str
    math_imports: str
    numba_imports: str
    # the tables
    dtype: str
    inputs: str
    outputs: str
    parameters: str
    initial: str
    size: str
    state_size: str
    batched: str
    pieces: str
    reads: str
    labels: str
    metrics: str
    training: str
    target: str
    preparation: str
    # the kernels, and the forward equations in NumPy
    kernels: str
    numpy_functions: str
    # what the kernels stand on, at the module's end
    products: str
    # the native loop over steps
    train_arguments: str
    gather: str
    gathered: str
    gradient_arguments: str
    # the trainer
    fit_arguments: str
    batch: str
    part: str
    batch_size: str
    turn: str
    turns: str
    lr: str
    rate_arguments: str
    rate_about: str
    rate_lines: str
    rate_given: str
    measured: str
    loss_name: str
    # parameters that are not learned, and what is random
    trained: str
    followed: str
    learned: str
    started: str
    fitted: str
    least: str
    random: str
    checked: str
    drawn: str
    initialisers: str
    # parts that are there only where they fit, and are wanted
    estimator: EstimatorView | None
    mpi: str
    runs: str
    maps: str
    tables: str
    columns: str
    accumulate: str
    plateau: str
    maximize: str
    ema: str
    search: str
