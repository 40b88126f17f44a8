// The page of a sweep: ranges on the axes, the line of a row and the row of a line, a table sorted by any column.
"use strict";
(() => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  const lines = all("path.line"), rows = all("tbody tr"), ranges = new Map();
  document.body.classList.add("live");

  const setting = (element) => element.dataset.setting;
  const mark = (number, on) =>
    [...lines, ...rows].filter((e) => setting(e) === number).forEach((e) => e.classList.toggle("here", on));
  for (const element of [...lines, ...rows]) {
    element.addEventListener("pointerenter", () => mark(setting(element), true));
    element.addEventListener("pointerleave", () => mark(setting(element), false));
  }

  const keep = () => {
    const out = new Set();
    for (const line of lines) {
      const at = line.dataset.at.split(" ").map(Number);
      const inside = [...ranges].every(([axis, [low, high]]) => low <= at[axis] && at[axis] <= high);
      line.classList.toggle("out", !inside);
      if (!inside) out.add(setting(line));
    }
    for (const row of rows) row.classList.toggle("out", out.has(setting(row)));
  };

  for (const axis of all("g.axis")) {
    const reach = axis.querySelector(".reach"), number = Number(axis.dataset.axis), svg = axis.ownerSVGElement;
    const kept = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    kept.setAttribute("class", "kept");
    kept.setAttribute("x", reach.getAttribute("x"));
    kept.setAttribute("width", reach.getAttribute("width"));
    axis.append(kept);
    const height = (event) =>
      new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse()).y;
    let start = null;
    const show = (low, high) => {
      kept.setAttribute("y", low);
      kept.setAttribute("height", high - low);
    };
    reach.addEventListener("pointerdown", (event) => {
      start = height(event);
      reach.setPointerCapture(event.pointerId);
    });
    reach.addEventListener("pointermove", (event) => {
      if (start === null) return;
      const ends = [start, height(event)].sort((a, b) => a - b);
      ranges.set(number, ends);
      show(...ends);
      keep();
    });
    reach.addEventListener("pointerup", (event) => {
      if (Math.abs(height(event) - start) < 3) {
        ranges.delete(number);
        show(0, 0);
        keep();
      }
      start = null;
    });
  }

  const value = (row, column) => {
    const cell = row.cells[column], text = cell.dataset.value ?? cell.textContent.trim();
    return text === "" || Number.isNaN(Number(text)) ? text : Number(text);
  };
  const compare = (a, b) =>
    typeof a === "number" && typeof b === "number" ? a - b : typeof a === "number" ? -1 : typeof b === "number" ? 1
      : a < b ? -1 : a > b ? 1 : 0;
  for (const head of all("th")) {
    const button = document.createElement("button"), column = head.cellIndex;
    button.append(...head.childNodes);
    head.append(button);
    head.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      all("th").forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      rows.sort((a, b) => (down ? -1 : 1) * compare(value(a, column), value(b, column)));
      document.querySelector("tbody").append(...rows);
    });
  }
})();
