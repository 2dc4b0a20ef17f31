"use strict";
// If runs have stopped since this page was written, it must not claim that all is well.
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
