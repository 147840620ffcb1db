"""Evaluators: each takes an `Evaluation` and yields `Metric`s; `table.measure` runs all of them."""
