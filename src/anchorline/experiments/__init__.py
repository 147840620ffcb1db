"""Questions asked of methods: the papers' experiments, ablations, maps of features."""
