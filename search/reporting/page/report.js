"use strict";
// Sorting, and showing which marks and rows belong to one trial. Without it the page is complete.
(() => {
  const table = document.querySelector(".leaderboard table");
  const body = table.tBodies[0];

  const compare = (a, b) => {
    const x = Number(a), y = Number(b);
    return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y;
  };
  table.tHead.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const head = button.parentElement;
    const down = head.getAttribute("aria-sort") === "ascending";
    const value = (row) => row.cells[head.cellIndex].dataset.v;
    for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const rows = [...body.rows].sort((a, b) => {
      const x = value(a), y = value(b);
      if (x === "" || y === "") return (x === "") - (y === "");  // what is missing comes last
      return down ? compare(y, x) : compare(x, y);
    });
    body.append(...rows);
  });

  const marks = new Map();
  for (const mark of document.querySelectorAll("[data-t]")) {
    const trial = mark.dataset.t;
    if (!marks.has(trial)) marks.set(trial, []);
    marks.get(trial).push(mark);
  }
  const tip = document.getElementById("tip");
  const heads = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
  const told = (trial) => {
    const row = marks.get(trial).find((mark) => mark.tagName === "TR");
    const lines = [`trial ${trial}`];
    if (row) {
      [...row.cells].forEach((cell, n) => {
        if (cell.textContent && (n > 1 && n < 4 || cell.dataset.hp)) {
          lines.push(`${heads[n]}: ${cell.textContent}`);
        }
      });
    }
    return lines.join("\n");
  };
  let shown = null;
  const light = (trial) => {
    if (trial === shown) return;
    for (const mark of marks.get(shown) || []) mark.classList.remove("on");
    for (const mark of marks.get(trial) || []) mark.classList.add("on");
    shown = trial;
  };
  document.addEventListener("pointerover", (event) => {
    const mark = event.target.closest("[data-t]");
    light(mark ? mark.dataset.t : null);
    tip.hidden = !mark || mark.tagName === "TR";
    if (!tip.hidden) tip.textContent = told(mark.dataset.t);
  });
  document.addEventListener("pointermove", (event) => {
    if (tip.hidden) return;
    tip.style.left = `${Math.max(0, Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${Math.max(0, Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 8))}px`;
  });
  addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("details")) details.open = true;
  });
})();
