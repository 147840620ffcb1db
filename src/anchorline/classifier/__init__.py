"""What adapting returns: the adapted classifier, its predictions, and its run directory."""
