"use strict";
/* Draws the lifetimes and the timeline's rows from the page's data. Texts come from logs, so they
   are set as text alone; the page's policy would refuse anything else. */
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  document.documentElement.classList.add("js");

  function put(parent, name, properties = {}, text) {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(properties)) {
      if (value !== null && value !== undefined && value !== false) node.setAttribute(key, value);
    }
    if (text !== undefined) node.textContent = text;
    parent.append(node);
    return node;
  }
  function shape(parent, name, attributes, text) {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (text !== undefined) node.textContent = text;
    parent.append(node);
    return node;
  }
  const count = new Intl.NumberFormat("en-US");
  const many = (n, noun) => `${count.format(n)} ${noun}${n === 1 ? "" : "s"}`;

  /* -- times ----------------------------------------------------------------------------- */

  const pad = (n, width = 2) => String(n).padStart(width, "0");
  const days = !data.ordered && data.high > 864e5;
  function when(at, digits = 3) {
    if (data.ordered) return `line ${count.format(Math.round(data.low + at))}`;
    const t = new Date(data.low + at);
    const date = `${pad(t.getUTCMonth() + 1)}-${pad(t.getUTCDate())} `;
    const ms = digits ? `.${pad(t.getUTCMilliseconds(), 3)}` : "";
    return `${days ? date : ""}${pad(t.getUTCHours())}:${pad(t.getUTCMinutes())}:${pad(t.getUTCSeconds())}${ms}`;
  }
  function length(ms) {
    if (data.ordered) return many(Math.round(ms), "line");
    const s = ms / 1000;
    if (s < 10) return `${s.toFixed(1)}s`;
    if (s < 60) return `${Math.floor(s)}s`;
    if (s < 3600) return `${Math.floor(s / 60)}m${pad(Math.floor(s % 60))}s`;
    if (s < 86400) return `${Math.floor(s / 3600)}h${pad(Math.floor((s % 3600) / 60))}m`;
    return `${Math.floor(s / 86400)}d${pad(Math.floor((s % 86400) / 3600))}h`;
  }
  const STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5,
    6e5, 9e5, 18e5, 36e5, 72e5, 108e5, 216e5, 432e5, 864e5, 1728e5, 6048e5, 12096e5, 2592e6, 7776e6];
  const ROUND = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 1e6, 1e7, 1e8];
  function tick(at, step) {
    if (data.ordered) return count.format(data.low + at);
    const text = when(at);
    if (step >= 864e5) return text.slice(0, 5);
    if (step >= 6e4) return text.slice(0, days ? 11 : 5);
    return step >= 1e3 ? text.slice(0, -4) : text;
  }

  /* -- the lifetimes ----------------------------------------------------------------------- */

  const LANE = 24, BAR = 15, AXIS = 26;
  const BY_LANE = data.lanes.map(() => []);
  data.bars.forEach((bar, index) => BY_LANE[bar[0]].push(index));
  const MARKS = data.bars.map(() => []);
  data.marks.forEach((mark, index) => MARKS[mark[0]].push(index));

  const chart = document.getElementById("chart");
  if (chart) lifetimes();

  function lifetimes() {
    chart.hidden = false;
    const off = new Set();
    let low = 0, high = data.high, shown = [], picked = null, wanted = "";

    const filters = put(chart, "div", { class: "bar", role: "group", "aria-label": "Services" });
    const switches = data.services.map(([name, colour], number) => {
      const button = put(filters, "button", { type: "button", "aria-pressed": "true" });
      put(button, "span", { class: "swatch" }).style.background = colour;
      button.append(name);
      button.addEventListener("click", () => {
        off.has(number) ? off.delete(number) : off.add(number);
        button.setAttribute("aria-pressed", String(!off.has(number)));
        choose();
      });
      return button;
    });
    if (data.services.length > 2) {
      const only = put(filters, "button", { type: "button" }, "all or none");
      only.addEventListener("click", () => {
        const all = off.size < data.services.length;
        off.clear();
        if (all) data.services.forEach((_, number) => off.add(number));
        switches.forEach((one) => one.setAttribute("aria-pressed", String(!all)));
        choose();
      });
    }
    const tools = put(chart, "div", { class: "bar", role: "group", "aria-label": "Zoom and search" });
    const find = put(tools, "input", {
      type: "search", size: 28, placeholder: "address, container or Pod", "aria-label": "Lanes with this address, container or Pod",
    });
    find.addEventListener("input", () => { wanted = find.value.trim().toLowerCase(); choose(); });
    for (const [name, label, act] of [
      ["+", "Zoom in", () => zoom(0.5)], ["\u2212", "Zoom out", () => zoom(2)],
      ["\u2190", "Earlier", () => move(-0.25)], ["\u2192", "Later", () => move(0.25)],
      ["all", "Whole time", () => view(0, data.high)],
    ]) put(tools, "button", { type: "button", "aria-label": label, title: label }, name).addEventListener("click", act);
    const seen = put(tools, "span", { class: "more", role: "status" });

    const box = put(chart, "div", {
      class: "lanes", tabindex: 0, role: "group",
      "aria-label": "Lifetimes chart. Arrow keys go from container to container, plus and minus zoom, 0 shows the whole time. The timeline table below has the same facts.",
    });
    const axis = shape(box, "svg", { class: "axis", height: AXIS, "aria-hidden": "true" });
    const body = shape(box, "svg", { "aria-hidden": "true" });
    const clip = shape(shape(body, "defs", {}), "clipPath", { id: "plot" });
    const cut = shape(clip, "rect", { y: 0 });
    const names = shape(body, "g", {});
    const plot = shape(body, "g", { "clip-path": "url(#plot)" });
    const tip = put(document.body, "div", { class: "tip", role: "tooltip", hidden: "" });
    const touch = matchMedia("(pointer: coarse)").matches;
    const told = put(chart, "p", { class: "picked", role: "status", "aria-live": "polite" }, touch
      ? "Tap a bar or a \u25bc to see what it is; drag sideways to move, + and \u2212 zoom."
      : "Point at a bar or choose one with the arrow keys; drag to move, Ctrl and wheel to zoom.");

    const fits = (index) => {
      const bar = data.bars[index];
      if (off.has(bar[3])) return false;
      return !wanted || [data.lanes[bar[0]][0], bar[5], bar[6]].some((one) => one.toLowerCase().includes(wanted));
    };
    function choose() {
      shown = [];
      let bars = 0;
      data.lanes.forEach((_, lane) => {
        const fit = BY_LANE[lane].filter(fits);
        bars += fit.length;
        if (fit.length) shown.push(lane);
      });
      seen.textContent = bars ? `${many(shown.length, "lane")}, ${many(bars, "bar")}` : "Nothing found.";
      draw();
    }
    const left = () => (box.clientWidth < 620 ? 96 : 132);
    const width = () => Math.max(box.clientWidth - left() - 8, 40);
    const x = (at) => left() + ((at - low) / (high - low)) * width();

    function view(from, to) {
      const most = data.high * 1.02, least = data.ordered ? 2 : 5;
      const wide = Math.min(Math.max(to - from, least), most);
      const start = Math.min(Math.max(from, -0.01 * data.high), data.high * 1.01 - wide);
      low = start; high = start + wide;
      draw();
    }
    function zoom(factor, at = (low + high) / 2) {
      view(at - (at - low) * factor, at + (high - at) * factor);
    }
    const move = (share) => view(low + (high - low) * share, high + (high - low) * share);

    let waiting = false;
    function draw() {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => { waiting = false; redraw(); });
    }
    function ruler() {
      const room = Math.max(width() / (days ? 110 : 84), 2);
      const step = (data.ordered ? ROUND : STEPS).find((one) => (high - low) / one <= room) || (high - low);
      const offset = data.ordered ? 0 : data.low % step, at = [];
      for (let t = Math.ceil((low + offset) / step) * step - offset; t <= high; t += step) at.push(t);
      return at.map((t) => [t, tick(t, step)]);
    }
    function redraw() {
      const total = Math.max(shown.length * LANE, LANE);
      body.setAttribute("height", total);
      for (const [name, value] of [["x", left()], ["width", width() + 8], ["height", total]]) cut.setAttribute(name, value);
      axis.replaceChildren(); names.replaceChildren(); plot.replaceChildren();
      const first = Math.max(Math.floor((box.scrollTop - AXIS) / LANE) - 1, 0);
      const last = Math.min(first + Math.ceil(box.clientHeight / LANE) + 3, shown.length);
      for (const [t, label] of ruler()) {
        shape(axis, "text", { x: x(t), y: 17, "text-anchor": "middle" }, label);
        shape(plot, "line", { class: "grid", x1: x(t), x2: x(t), y1: first * LANE, y2: last * LANE });
      }
      if (!data.ordered) shape(axis, "text", { x: 6, y: 17 }, "UTC");
      for (let row = first; row < last; row++) lane(row);
    }
    function lane(row) {
      const number = shown[row], top = row * LANE, middle = top + LANE / 2;
      const label = data.lanes[number][0], room = Math.floor((left() - 10) / 6.6);
      shape(names, "text", { x: 6, y: middle + 4 }, label.length > room ? `${label.slice(0, room - 1)}\u2026` : label);
      for (const index of BY_LANE[number]) {
        const [, from, to, service, name, , , , , change, free] = data.bars[index];
        if (to < low || (free === null ? from : free) > high || !fits(index)) continue;
        const a = Math.max(x(from), left() - 20), wide = Math.max(Math.min(x(to), left() + width() + 20) - a, 3);
        if (free !== null && free < from) {
          shape(plot, "line", { class: "free", x1: Math.max(x(free), left()), x2: a, y1: middle, y2: middle });
        }
        const [, colour, ink] = data.services[service];
        shape(plot, "rect", {
          class: index === picked ? "life on" : "life", "data-bar": index, fill: colour,
          x: a, width: wide, y: middle - BAR / 2, height: BAR, rx: 1.5,
        });
        if (change !== "first") shape(plot, "line", { class: "hand", x1: a, x2: a, y1: top + 1, y2: top + LANE - 1 });
        if (wide > name.length * 6.6 + 10) {
          shape(plot, "text", { class: "in", x: Math.max(a, left()) + 5, y: middle + 4 }, name).style.fill = ink;
        }
        for (const mark of MARKS[index]) {
          const at = x(data.marks[mark][1]);
          if (at < left() - 4 || at > left() + width() + 4) continue;
          shape(plot, "path", { class: "error", "data-mark": mark, d: `M${at - 4.5},${top + 1}h9l-4.5,8z` });
        }
      }
    }

    /* what is under the pointer, or chosen */
    function words(index) {
      const [lane, from, to, service, , container, pod, lines, errors, change] = data.bars[index];
      const [label, kind] = data.lanes[lane];
      return [
        `${data.services[service][0]} ${container}`,
        ...(kind === "none" ? ["no address of its own"] : [`${label}: ${data.changes[change]}`]),
        ...(pod ? [`Pod ${pod}`] : []),
        data.ordered ? `${when(from)} to ${when(to - 1)}` : `${when(from)} to ${when(to)} UTC, ${length(to - from)}`,
        `${many(lines, "line")}, ${many(errors, "error")}`,
      ];
    }
    function wrong(index) {
      const [, at, errors, message, place] = data.marks[index];
      return [many(errors, "error"), `${when(at)}${data.ordered ? "" : " UTC"}`, message, place];
    }
    function point(event) {
      const over = event.target instanceof Element ? event.target : null;
      const bar = over && over.getAttribute("data-bar"), mark = over && over.getAttribute("data-mark");
      if (bar === null && mark === null) { tip.hidden = true; return; }
      const lines = mark !== null ? wrong(Number(mark)) : words(Number(bar));
      tip.replaceChildren();
      for (const line of lines) if (line) put(tip, "div", {}, line);
      tip.hidden = false;
      const { width: w, height: h } = tip.getBoundingClientRect();
      tip.style.left = `${Math.max(Math.min(event.clientX + 12, innerWidth - w - 8), 4)}px`;
      tip.style.top = `${event.clientY + 16 + h > innerHeight ? event.clientY - h - 12 : event.clientY + 16}px`;
    }
    function pick(index) {
      picked = index;
      told.textContent = words(index).join(" \u00b7 ");
      const [lane, from, to] = data.bars[index], row = shown.indexOf(lane);
      if (from > high || to < low) view(from - (high - low) / 3, from + ((high - low) * 2) / 3);
      if (row * LANE < box.scrollTop) box.scrollTop = row * LANE;
      const below = (row + 1) * LANE + AXIS - box.clientHeight;
      if (below > box.scrollTop) box.scrollTop = below;
      draw();
    }
    body.addEventListener("pointermove", point);
    body.addEventListener("pointerleave", () => { tip.hidden = true; });
    body.addEventListener("click", (event) => {
      if (moved) return;
      const bar = event.target.getAttribute("data-bar"), mark = event.target.getAttribute("data-mark");
      if (bar !== null) pick(Number(bar));
      else if (mark !== null) told.textContent = wrong(Number(mark)).filter(Boolean).join(" \u00b7 ");
    });
    let grip = null, moved = false;
    body.addEventListener("pointerdown", (event) => { grip = [event.clientX, low, high]; moved = false; });
    addEventListener("pointermove", (event) => {
      if (!grip || !event.buttons) return;
      const by = event.clientX - grip[0];
      if (Math.abs(by) > 4) moved = true;
      if (moved) { const t = (by / width()) * (grip[2] - grip[1]); view(grip[1] - t, grip[2] - t); }
    });
    addEventListener("pointerup", () => { grip = null; });
    box.addEventListener("wheel", (event) => {
      if (event.ctrlKey || event.metaKey) {
        event.preventDefault();
        const at = low + ((event.clientX - box.getBoundingClientRect().left - left()) / width()) * (high - low);
        zoom(event.deltaY > 0 ? 1.25 : 0.8, at);
      } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
        event.preventDefault();
        move((event.deltaX || event.deltaY) / 600);
      }
    }, { passive: false });
    box.addEventListener("scroll", draw, { passive: true });
    box.addEventListener("keydown", (event) => {
      const key = event.key;
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      if (key === "+" || key === "=") zoom(0.5);
      else if (key === "-") zoom(2);
      else if (key === "0") view(0, data.high);
      else if (key.startsWith("Arrow") && shown.length) step(key);
      else return;
      event.preventDefault();
    });
    function step(key) {
      const inLane = (lane) => BY_LANE[lane].filter(fits);
      if (picked === null || !fits(picked)) { pick(inLane(shown[0])[0]); return; }
      const [lane, from, to] = data.bars[picked], mine = inLane(lane), here = mine.indexOf(picked);
      if (key === "ArrowLeft" || key === "ArrowRight") {
        const next = mine[here + (key === "ArrowRight" ? 1 : -1)];
        if (next !== undefined) pick(next);
        return;
      }
      const other = shown[shown.indexOf(lane) + (key === "ArrowDown" ? 1 : -1)];
      if (other === undefined) return;
      const middle = (from + to) / 2, away = (b) => Math.abs((data.bars[b][1] + data.bars[b][2]) / 2 - middle);
      pick(inLane(other).reduce((best, b) => (away(b) < away(best) ? b : best)));
    }
    new ResizeObserver(draw).observe(box);
    view(0, data.high);
    choose();
  }

  /* -- the timeline's rows ------------------------------------------------------------------- */

  const PAGE = 100;
  const [NAME, WHOLE, SERVICE, POD, IPS, FIRST, LAST, END, LINES, ERRORS, REQUESTS, SOURCE, LINE, REUSED, TEXT] =
    Array.from({ length: 15 }, (_, at) => at);
  const COLUMNS = [
    ["container", NAME], ["service", SERVICE], ["Pod", POD], ["address", IPS], ["first seen", FIRST],
    ["last seen", LAST], ["end", END], ["lines", LINES], ["errors", ERRORS], ["requests", REQUESTS],
    ["first line", LINE],
  ];
  const NUMBERS = new Set([LINES, ERRORS, REQUESTS]);

  const place = document.getElementById("rows");
  if (place) timeline();

  function timeline() {
    let order = null, down = false, at = 0, size = PAGE;
    const tools = put(place, "div", { class: "bar", role: "group", "aria-label": "Filter" });
    const find = put(tools, "input", { type: "search", size: 22, placeholder: "filter by any word", "aria-label": "Rows with these words" });
    const service = put(tools, "select", { "aria-label": "Service" });
    put(service, "option", { value: "" }, "all services");
    for (const name of [...new Set(data.rows.map((row) => row[SERVICE]))].sort()) {
      put(service, "option", { value: `=${name}` }, name || "(no service)");
    }
    const check = (label) => {
      const holder = put(tools, "label");
      const input = put(holder, "input", { type: "checkbox" });
      holder.append(` ${label}`);
      return input;
    };
    const reused = check("reused address"), wrong = check("errors");
    const status = put(tools, "span", { class: "more", role: "status" });
    const scroll = put(place, "div", { class: "scroll wide", role: "region", tabindex: 0, "aria-label": "Timeline" });
    const table = put(scroll, "table"), head = put(put(table, "thead"), "tr"), body = put(table, "tbody");
    const heads = COLUMNS.map(([title, column]) => {
      const cell = put(head, "th", { scope: "col", class: NUMBERS.has(column) ? "n" : null });
      put(cell, "button", { type: "button" }, title).addEventListener("click", () => {
        if (order === column) down = !down;
        else { order = column; down = NUMBERS.has(column); }
        at = 0;
        show();
      });
      return [cell, column];
    });
    const pages = put(place, "div", { class: "bar", role: "group", "aria-label": "Pages" });
    const back = put(pages, "button", { type: "button" }, "previous");
    const forth = put(pages, "button", { type: "button" }, "next");
    back.addEventListener("click", () => { at -= size; show(); });
    forth.addEventListener("click", () => { at += size; show(); });
    for (const one of [find, service, reused, wrong]) one.addEventListener("input", () => { at = 0; show(); });

    const text = data.rows.map((row) => row.slice(0, END + 1).join(" ").toLowerCase());
    function compare(a, b) {
      const one = data.rows[a], two = data.rows[b];
      const key = (row) => (order === LINE ? row[SOURCE] : row[order]);
      let p = key(one), q = key(two);
      if (order === LINE && p === q) { p = one[LINE]; q = two[LINE]; }
      if (p === q) return a - b;
      if (p === null) return 1;
      if (q === null) return -1;
      const way = typeof p === "number" ? p - q : order === IPS ? byNumber.compare(p, q) : p < q ? -1 : 1;
      return down ? -way : way;
    }
    const byNumber = new Intl.Collator("en", { numeric: true });
    function show() {
      const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
      const fit = [];
      data.rows.forEach((row, index) => {
        if (reused.checked && !row[REUSED]) return;
        if (wrong.checked && !row[ERRORS]) return;
        if (service.value && `=${row[SERVICE]}` !== service.value) return;
        if (words.every((word) => text[index].includes(word))) fit.push(index);
      });
      if (order !== null) fit.sort(compare);
      for (const [cell, column] of heads) {
        if (column === order) cell.setAttribute("aria-sort", down ? "descending" : "ascending");
        else cell.removeAttribute("aria-sort");
      }
      at = Math.max(Math.min(at, fit.length - 1), 0);
      const here = fit.slice(at, at + size);
      status.textContent = fit.length > here.length
        ? `${count.format(at + 1)}\u2013${count.format(at + here.length)} of ${many(fit.length, "container")}`
        : many(fit.length, "container");
      back.disabled = at === 0;
      forth.disabled = at + size >= fit.length;
      pages.hidden = fit.length <= size;
      body.replaceChildren(...here.map((index) => line(data.rows[index])));
      if (!here.length) put(put(body, "tr"), "td", { colspan: COLUMNS.length, class: "none" }, "Nothing found.");
    }
    function line(row) {
      const tr = document.createElement("tr");
      for (const [, column] of COLUMNS) {
        const cell = put(tr, "td", { class: NUMBERS.has(column) ? "n" : null });
        if (column === NAME) put(cell, "b", { title: row[WHOLE] }, row[NAME]);
        else if (column === FIRST || column === LAST) {
          if (row[column]) put(cell, "time", { datetime: row[column], title: row[column] }, row[column].slice(days ? 5 : 11, 19).replace("T", " "));
        } else if (column === LINE) {
          if (row[SOURCE] !== null) {
            const path = data.sources[row[SOURCE]];
            const button = put(cell, "button", { type: "button", class: "place", "aria-expanded": "false", title: "Show the line" },
              `${path.slice(path.lastIndexOf("/") + 1)}:${row[LINE]}`);
            button.addEventListener("click", () => unroll(tr, button, row));
          }
        } else cell.textContent = typeof row[column] === "number" ? count.format(row[column]) : row[column];
      }
      return tr;
    }
    /* the text of a container's first line, in a row below its own */
    function unroll(tr, button, row) {
      const open = button.getAttribute("aria-expanded") === "true";
      button.setAttribute("aria-expanded", String(!open));
      if (open) { tr.nextElementSibling.remove(); return; }
      const below = document.createElement("tr");
      const cell = put(below, "td", { colspan: COLUMNS.length, class: "line" });
      put(cell, "a", { class: "place", href: `#source-${row[SOURCE]}` }, `${data.sources[row[SOURCE]]}:${row[LINE]}`);
      cell.append(" ");
      put(cell, "q", {}, row[TEXT]);
      tr.after(below);
    }
    addEventListener("beforeprint", () => { size = 500; show(); });
    addEventListener("afterprint", () => { size = PAGE; show(); });
    show();
  }

  /* A link into the sources opens them; paper shows what is folded away. */
  const folds = [...document.querySelectorAll("details")];
  function unfold() {
    const goal = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    const fold = goal && goal.closest("details");
    if (fold) { fold.open = true; goal.scrollIntoView({ block: "center" }); }
  }
  addEventListener("hashchange", unfold);
  document.addEventListener("click", (event) => {
    if (event.target instanceof Element && event.target.closest("a.place")) setTimeout(unfold);
  });
  let closed = [];
  addEventListener("beforeprint", () => { closed = folds.filter((one) => !one.open); closed.forEach((one) => { one.open = true; }); });
  addEventListener("afterprint", () => closed.forEach((one) => { one.open = false; }));
  unfold();
})();
