"""Maps of the features: where images of each class lie before and after adapting."""
