"""Public data sets, a module each or a few of one family: how they lie on disk."""
