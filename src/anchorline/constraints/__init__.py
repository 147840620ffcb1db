"""What holds the weights: constraints for any torch optimizer and any model. They import torch alone."""

from anchorline.constraints.depth import by_depth
from anchorline.constraints.ftp import FTP
from anchorline.constraints.l2_sp import L2SP
from anchorline.constraints.mars_sp import MARSSP
from anchorline.constraints.projection import deviation, project
from anchorline.constraints.spd import SPD
from anchorline.constraints.tpgm import TPGM

__all__ = ["FTP", "L2SP", "MARSSP", "SPD", "TPGM", "by_depth", "deviation", "project"]
