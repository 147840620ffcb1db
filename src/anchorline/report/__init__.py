"""One offline HTML page that shows a comparison: tables, figures and wrong images.

This package takes plain data: it knows no encoder, no method and no classifier.
"""

from anchorline.report.details import Changed, Histogram, MethodDetails, Mistake
from anchorline.report.merging import Merged, merge
from anchorline.report.page import write_report

__all__ = ["Changed", "Histogram", "Merged", "MethodDetails", "Mistake", "merge", "write_report"]
