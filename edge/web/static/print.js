// The printable page prints itself when asked to; the browser offers to save it as PDF.
"use strict";
document.getElementById("print-now")?.addEventListener("click", () => window.print());
