"""A method is four choices: what is trained, what for, what holds it, how it blends with the pre-trained."""

from anchorline.methods.table import METHODS, SHOWN, Method, Search, find_method
from anchorline.metric import UNTOUCHED

__all__ = ["METHODS", "SHOWN", "UNTOUCHED", "Method", "Search", "find_method"]
