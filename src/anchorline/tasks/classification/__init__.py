"""Classification of whole images: adapt, compare, evaluate."""
