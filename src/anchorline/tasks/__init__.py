"""What is done with the stages: classification, segmentation, continual learning; one skeleton for all."""
