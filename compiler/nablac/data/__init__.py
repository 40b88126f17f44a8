"""data: samples from wherever they are, as the arrays that a generated module trains on."""

from nablac.data.balance import Balance, balance
from nablac.data.batches import collect, store
from nablac.data.folds import CrossValidation, cross_validate, folds
from nablac.data.read import batches, read

__all__ = [
    "Balance", "CrossValidation", "balance", "batches", "collect", "cross_validate", "folds", "read",
    "store",
]  # fmt: skip
