"use strict";

showChosen();
sortOnClick();
fillOnOpening();
offerDownloads();
drawInView();
showPictures();
