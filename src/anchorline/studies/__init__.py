"""Questions asked of methods, each answered by a page: ablations of the Reprogrammer, maps of features."""
