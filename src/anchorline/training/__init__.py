"""The one training loop, for any problem: optimization, state on disk, augmentation, how far layers moved."""
