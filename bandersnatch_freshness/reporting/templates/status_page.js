"use strict";
// Runs may have stopped since this page was written: then it is not to say that all is well.
(() => {
  const verdict = document.getElementById("verdict");
  const look = () => {
    if (Date.now() <= Number(verdict.dataset.until) * 1000) return;
    verdict.className = "verdict unknown";
    document.getElementById("word").textContent = "Unknown";
    document.getElementById("sentence").textContent = verdict.dataset.stopped;
    document.getElementById("then").hidden = false;
    document.title = "Unknown: mirror status";
  };
  look();
  setInterval(look, 60000);
})();
