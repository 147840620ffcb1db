"""`python -m anchorline`, and what `accelerate launch -m anchorline` starts."""

from anchorline.cli import main

main()
