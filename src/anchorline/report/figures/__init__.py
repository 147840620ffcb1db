"""Figures of the pages: each takes plain tables and gives a plotly figure, or None where nothing is known."""
