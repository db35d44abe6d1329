// The page of one start: its data are in it.
"use strict";
timeline(window).load(JSON.parse(document.getElementById("data").textContent));
