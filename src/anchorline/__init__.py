"""anchorline: adapt a text-image encoder without losing what it already knew."""

import lazy_loader

# The public names stand in __init__.pyi. Each is imported on first use: torch and open_clip take seconds.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
