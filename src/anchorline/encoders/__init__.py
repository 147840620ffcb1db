"""Encoders: pre-trained text-image models, how they are loaded, and the features they give."""
