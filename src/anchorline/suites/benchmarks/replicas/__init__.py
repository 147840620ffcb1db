"""Miniature copies of public data sets in their true formats, for tests and for recipes at tiny scale.

Each module has `write(root, seed=0)`: a replica below `root`, in folders of the usual names. The pictures are
drawn, not taken from the data sets; those of one class share a colour and a shape, so that something can
be learnt.
"""
