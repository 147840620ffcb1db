"""Ablations: what each part of the Reprogrammer gives."""
