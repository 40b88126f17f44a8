// The report's page: what is chosen is what the address names, so that links, reloads and the back button work.
"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const words = (text) => (text || "").split(" ").filter(Boolean);
  const byId = (id) => document.getElementById(id);
  const primal = (name) => name.replace(/^(d_)+/, "");

  const equations = all(".equation");
  const chains = all(".chain");
  const stages = all(".stage");
  const listing = document.querySelector(".code .listing");
  const canvas = document.querySelector(".graph .canvas");
  const lit = document.querySelector(".lit");
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const behavior = () => (calm.matches ? "auto" : "smooth");

  const mark = (name, elements) => {
    all(`.${name}`).forEach((element) => element.classList.remove(name));
    elements.forEach((element) => element.classList.add(name));
  };

  const current = (elements, chosen) => elements.forEach((element) => {
    if (chosen(element)) element.setAttribute("aria-current", "true");
    else element.removeAttribute("aria-current");
  });

  const link = (href, text) => Object.assign(document.createElement("a"), { href, textContent: text });

  const say = (text, links) => {
    lit.textContent = text;
    links.forEach((one) => lit.append(" ", one));
  };

  // A panel with a scroll of its own moves alone; where the panels are stacked, the page stays where it is.
  function revealInside(panel, element) {
    if (!panel || !element) return;
    const [inner, outer] = [element.getBoundingClientRect(), panel.getBoundingClientRect()];
    if (inner.top < outer.top || inner.bottom > outer.bottom) {
      panel.scrollTo({ top: panel.scrollTop + inner.top - outer.top - outer.height / 4, behavior: behavior() });
    }
  }

  // In a graph that is wider than its panel, a node is brought to the middle.
  function centre(node) {
    if (!canvas || !node) return;
    const [inner, outer] = [node.getBoundingClientRect(), canvas.getBoundingClientRect()];
    if (inner.left < outer.left || inner.right > outer.right) {
      canvas.scrollLeft += (inner.left + inner.right - outer.left - outer.right) / 2;
    }
  }

  const highest = (nodes) => nodes.reduce(
    (best, node) => (best && best.getBoundingClientRect().top <= node.getBoundingClientRect().top ? best : node), null);

  function reveal(element) {
    const box = element.getBoundingClientRect();
    const away = box.top < 60 || box.bottom > innerHeight;
    if (away) element.scrollIntoView({ block: box.height > innerHeight / 2 ? "start" : "center", behavior: behavior() });
  }

  // What was out of sight had an estimated height until it was scrolled to.
  const settled = (act) => requestAnimationFrame(() => requestAnimationFrame(act));

  const linesOf = (equation) => words(equation.dataset.lines).flatMap((span) => {
    const [first, last] = span.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, k) => byId(`line-${first + k}`)).filter(Boolean);
  });

  // The equations of each line.
  const owners = new Map();
  equations.forEach((equation) => linesOf(equation).forEach((line) => {
    owners.set(line, [...(owners.get(line) || []), equation.dataset.number]);
  }));

  // An equation's lines and its tensor's place in the graph.
  function light(equation) {
    const { number, tensor } = equation.dataset;
    const lines = linesOf(equation);
    mark("chosen", [equation, ...lines]);
    revealInside(listing, lines[0]);
    lightNode(primal(tensor));
    const links = all(".to-lines", equation).map((one) => link(one.hash, `${one.textContent} ${one.title}`));
    say(`(${number}) ${tensor}${links.length ? ":" : " has no lines of its own"}`, links);
  }

  function lightNode(tensor) {
    const nodes = all(".graph [data-tensors]").filter((node) => words(node.dataset.tensors).includes(tensor));
    mark("ng-selected", nodes);
    centre(nodes[0]);
    revealInside(canvas, nodes[0]);
  }

  function chooseEquation(equation) {
    light(equation);
    equations.forEach((other) => { other.querySelector(".number").tabIndex = other === equation ? 0 : -1; });
    current(equations, (other) => other === equation);
    const chain = chains.find((one) => words(one.dataset.equations).at(-1) === equation.dataset.number);
    if (chain) showChain(chain);
  }

  // One gradient's stages stay, the others go; its equations are marked in the margin.
  function showChain(chain) {
    const own = new Set(words(chain.dataset.stages).map(Number));
    chains.forEach((one) => one.classList.toggle("off", one !== chain));
    stages.forEach((stage, k) => stage.parentElement.classList.toggle("off", !own.has(k)));
    current(all(".picker a"), (one) => one.hash === `#${chain.id}`);
    mark("chained", words(chain.dataset.equations).map((number) => byId(`eq-${number}`)).filter(Boolean));
  }

  function chooseChain(chain) {
    showChain(chain);
    const ends = words(chain.dataset.equations).map((number) => byId(`eq-${number}`)).filter(Boolean);
    if (ends.length) light(ends.at(-1));
    lightNode(chain.dataset.tensor);
  }

  function chooseStage(stage) {
    const k = String(stages.indexOf(stage));
    const holds = (chain) => words(chain.dataset.stages).includes(k);
    if (!chains.some((chain) => !chain.classList.contains("off") && holds(chain))) showChain(chains.find(holds));
    stage.open = true;
    const ends = words(stage.dataset.equations).map((number) => byId(`eq-${number}`)).filter(Boolean);
    if (ends.length) light(ends.at(-1));
    else say(`${stage.dataset.tensor} is read in place`, []);
  }

  function chooseLine(line) {
    const numbers = owners.get(line) || [];
    mark("chosen", [line]);
    revealInside(listing, line);
    say(numbers.length ? "This line is of" : "", numbers.map((number) => link(`#eq-${number}`, `(${number})`)));
  }

  const CHOOSE = { ".equation": chooseEquation, ".chain": chooseChain, ".stage": chooseStage, ".code .line": chooseLine };

  // Where the address leads takes the focus away, and with it the arrow keys: it goes back to what was chosen.
  const attend = (element) => element && element.focus({ preventScroll: true });

  function follow() {
    const target = byId(location.hash.slice(1));
    if (!target) return;
    Object.entries(CHOOSE).filter(([selector]) => target.matches(selector)).forEach(([, choose]) => choose(target));
    reveal(target);
    settled(() => reveal(target));
    if (document.activeElement === document.body) attend(target.querySelector(":scope > .number"));
  }

  // A node of the graph stands for some tensors: the first gradient among them, else the first equation.
  function chooseNode(node) {
    const names = words(node.dataset.tensors);
    const of = (one) => names.includes(one.dataset.tensor);
    const about = names.map((name) => byId(`tensor-${encodeURIComponent(name)}`)).find(Boolean);
    const target = chains.find(of) || equations.find(of) || about;
    if (!target) return;
    location.hash = target.id;
    follow();
    mark("ng-selected", [node]);
    attend(node);
    const numbered = equations.filter((one) => names.includes(primal(one.dataset.tensor)));
    say(`${node.dataset.tensor}:`, numbered.map((one) => link(`#${one.id}`, `(${one.dataset.number}) ${one.dataset.tensor}`)));
  }

  const shown = () => stages.filter((stage) => !stage.parentElement.classList.contains("off"));

  const unfold = (open) => shown().forEach((stage) => {
    stage.open = open;
    all(".step", stage).forEach((step) => { step.open = true; });
  });

  // One step at a time: the next of the stage that is open last, else the first of the stage after it.
  function next() {
    const own = shown();
    const last = own.findLastIndex((stage) => stage.open);
    let step = last < 0 ? undefined : all(".step", own[last]).find((one) => !one.open);
    if (!step && own[last + 1]) {
      const steps = all(".step", own[last + 1]);
      steps.forEach((one) => { one.open = false; });
      own[last + 1].open = true;
      [step] = steps;
    }
    if (!step) return;
    step.open = true;
    reveal(step);
  }

  const ACTS = { next, unfold: () => unfold(true), fold: () => unfold(false) };

  document.addEventListener("click", (event) => {
    const on = (selector) => event.target.closest(selector);
    const button = on("button[data-act]");
    const anchor = on("a");
    const chosen = on(".equation, .code .line");
    if (button) ACTS[button.dataset.act]();
    else if (anchor) { if (anchor.hash === location.hash) follow(); }
    else if (on("summary") || String(getSelection())) return;
    else if (on(".graph [data-tensors]")) chooseNode(on(".graph [data-tensors]"));
    else if (chosen && (chosen.matches(".equation") || owners.has(chosen))) {
      if (location.hash === `#${chosen.id}`) follow();
      location.hash = chosen.id;
    }
  });

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const node = event.target.closest(".graph [data-tensors]");
    const number = event.target.closest(".equation .number");
    if (node && [" ", "Enter"].includes(event.key)) {
      event.preventDefault();
      chooseNode(node);
    } else if (number && event.key === " ") {
      event.preventDefault();
      number.click();
    } else if (number || node) {
      const place = equations.indexOf(number ? number.closest(".equation") : document.querySelector(".equation.chosen"));
      const to = equations[{ ArrowDown: place + 1, ArrowUp: place - 1, Home: 0, End: equations.length - 1 }[event.key]];
      if (!to) return;
      event.preventDefault();
      location.replace(`#${to.id}`);
      to.querySelector(".number").focus({ preventScroll: true });
    }
  });

  // The same tensor, wherever it stands in a formula.
  document.addEventListener("mouseover", (event) => {
    const tensor = event.target.closest("math [data-name]");
    mark("same", tensor ? all("math [data-name]").filter((one) => one.dataset.name === tensor.dataset.name) : []);
  });

  let folded = [];
  addEventListener("beforeprint", () => {
    folded = all("details:not([open])");
    folded.forEach((one) => { one.open = true; });
  });
  addEventListener("afterprint", () => folded.forEach((one) => { one.open = false; }));

  addEventListener("hashchange", follow);
  all(".tools").forEach((tools) => { tools.hidden = false; });
  equations.forEach((equation, k) => { equation.querySelector(".number").tabIndex = k ? -1 : 0; });
  centre(highest(all(".graph [data-tensors]")));
  if (chains.length) showChain(chains[0]);
  // After a reload heights are estimates again, so the place is found by what the address names, not by the old offset.
  if (location.hash) history.scrollRestoration = "manual";
  addEventListener("load", () => settled(() => {
    follow();
    history.scrollRestoration = "auto";
  }));
  follow();
})();
