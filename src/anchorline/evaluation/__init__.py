"""Evaluation: from what classifiers say of images, kept from the one pass of each set, to rows of numbers."""
