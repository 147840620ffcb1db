"""What is not the classification of whole images: segmentation, and learning class after class."""
