"use strict";

showChosen();
sortOnClick();
offerDownloads();
drawInView();
showPictures();
