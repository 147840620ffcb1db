"""anchorline: adapt a text-image encoder without losing what it already knew."""

__version__ = "0.1.0"
