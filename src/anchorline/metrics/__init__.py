"""What is measured: arrays in, numbers out. Imports torch, numpy and pandas, and nothing of the rest.

Shares and accuracies are in [0, 1] unless said otherwise; scores are higher for more in-distribution.
"""
