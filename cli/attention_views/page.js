"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const TITLES = { cross: "Decoder to encoder", encoder: "Encoder to itself", decoder: "Decoder to itself" };

  // --- data -----------------------------------------------------------------------------------

  const numbers = (text) =>
    new Uint16Array(Uint8Array.from(atob(text), (character) => character.charCodeAt(0)).buffer);

  /** log2 of weights from their codes; -Infinity where a mask hides. */
  const logOf = (code) => code ? 64 * ((code - 1) / 65534 - 1) : -Infinity;

  /** Rows of softmax(sharpness times scores), from logarithms of softmax(scores). */
  function sharpened(codes, columns, sharpness) {
    const result = new Float32Array(codes.length);
    for (let start = 0; start < codes.length; start += columns) {
      const row = Array.from(codes.subarray(start, start + columns), logOf);
      const highest = Math.max(...row);
      const powers = row.map((log) => 2 ** (sharpness * (log - highest)));
      const sum = powers.reduce((a, b) => a + b);
      powers.forEach((power, i) => { result[start + i] = power / sum; });
    }
    return result;
  }

  /** Weights of one kind: 16 bits each, layer by layer, head by head, row by row. */
  function unpacked(packed, sharpness) {
    const values = numbers(packed.weights), codes = numbers(packed.logs);
    const { layers, heads, rows, columns } = packed;
    const size = rows * columns;
    const weights = [];
    for (let layer = 0; layer < layers; layer++) {
      const ofLayer = [];
      const mean = new Float32Array(size);
      for (let head = 0; head < heads; head++) {
        const start = (layer * heads + head) * size;
        const ofHead = sharpness === 1
          ? Float32Array.from(values.subarray(start, start + size), (v) => v / 65535)
          : sharpened(codes.subarray(start, start + size), columns, sharpness);
        ofHead.forEach((weight, i) => { mean[i] += weight / heads; });
        ofLayer.push(ofHead);
      }
      weights.push([...ofLayer, mean]);
    }
    return { layers, heads, rows, columns, weights };
  }

  const attention = {};
  function compute(sharpness) {
    for (const kind of Object.keys(TITLES)) attention[kind] = unpacked(data.attention[kind], sharpness);
  }
  compute(1);

  const chosen = { ...data.chosen, root: false, rows: data.chosen.reads ? "reads" : "predicts", at: null };

  /** What a row and a column of a kind are called. */
  function names(kind) {
    if (kind === "encoder") return { rows: data.source_pieces, columns: data.source_pieces };
    const rows = chosen.rows === "reads" ? data.read_pieces : data.target_pieces;
    return { rows, columns: kind === "cross" ? data.source_pieces : data.read_pieces };
  }

  const weightsNow = () => attention[chosen.kind].weights[chosen.layer][chosen.head];
  const headName = (kind, head) => head === attention[kind].heads ? "mean of heads" : `head ${head}`;
  const visible = (piece) => piece.replace(/\u2581/g, "\u00b7");

  // --- colour ---------------------------------------------------------------------------------

  // From the ground of the page through blue to the deepest (or, in the dark, brightest) tone.
  const RAMPS = {
    light: [[255, 255, 255], [222, 228, 250], [160, 175, 240], [92, 108, 222], [49, 46, 160], [24, 18, 92]],
    dark: [[25, 28, 38], [38, 44, 92], [62, 72, 160], [104, 122, 232], [168, 190, 255], [240, 246, 255]],
  };

  function colour(weight) {
    const ramp = dark.matches ? RAMPS.dark : RAMPS.light;
    const at = Math.min(1, chosen.root ? Math.sqrt(weight) : weight) * (ramp.length - 1);
    const low = Math.min(ramp.length - 2, Math.floor(at));
    return ramp[low].map((v, i) => Math.round(v + (ramp[low + 1][i] - v) * (at - low)));
  }
  const css = (weight) => `rgb(${colour(weight).join(" ")})`;
  /** Readable on a cell of this weight. */
  const inkOn = (weight) => {
    const [r, g, b] = colour(weight);
    return 0.3 * r + 0.59 * g + 0.11 * b > 140 ? "#14161f" : "#fff";
  };
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }

  // --- the two sentences ----------------------------------------------------------------------

  const isSpecial = (piece) => /^(<.*>|>>.*<<)$/.test(piece) && !/^<0x..>$/.test(piece);

  function chips(holder, pieces, whenAt) {
    holder.replaceChildren(...pieces.map((piece, i) => {
      const chip = element("bdi", {}, piece.replace(/^\u2581/, "") || "\u2423");
      if (isSpecial(piece)) chip.className = "special";
      else if (piece.startsWith("\u2581") && i) chip.className = "word";
      chip.addEventListener("pointerenter", () => whenAt(i));
      chip.addEventListener("pointerleave", () => point(null));
      return chip;
    }));
  }

  /** The row of the grid that belongs to a piece of the translation. */
  const rowOf = (i) => chosen.rows === "reads" ? Math.min(i + 1, data.target_pieces.length - 1) : i;

  /** The piece of the translation that a row is about; none for the beginning that is read. */
  const targetOf = (row) => chosen.rows === "reads" ? row - 1 : row;

  function pointTarget(i) {
    if (chosen.kind === "encoder") choose({ kind: "cross", ...aligning() });
    point({ row: rowOf(i) });
  }

  function pointSource(i) {
    point(chosen.kind === "encoder" ? { row: i } : chosen.kind === "cross" ? { column: i } : null);
  }

  function tintSentences() {
    const source = [...$("source").children];
    const target = [...$("target").children];
    for (const chip of [...source, ...target]) {
      chip.style.background = chip.style.color = "";
      chip.classList.remove("here");
    }
    for (const piece of $("pieces").children) piece.classList.remove("here");
    if (!chosen.at) return;
    const { row, column } = chosen.at;
    const { columns, rows } = attention[chosen.kind];
    const weights = weightsNow();
    const looking = chosen.kind === "encoder" ? source : target;
    const seen = chosen.kind === "decoder" ? target : source;
    const shiftRow = (i) => chosen.kind === "encoder" ? i : targetOf(i);
    const shiftColumn = (i) => chosen.kind === "decoder" ? i - 1 : i;
    const tint = (chip, weight) => {
      if (!chip || weight < 0.005) return;
      chip.style.background = css(weight);
      chip.style.color = inkOn(weight);
    };
    if (row !== undefined) {
      for (let j = 0; j < columns; j++) tint(seen[shiftColumn(j)], weights[row * columns + j]);
      looking[shiftRow(row)]?.classList.add("here");
      if (chosen.kind !== "encoder") $("pieces").children[shiftRow(row)]?.classList.add("here");
    } else {
      for (let i = 0; i < rows; i++) tint(looking[shiftRow(i)], weights[i * columns + column]);
      seen[shiftColumn(column)]?.classList.add("here");
    }
  }

  // --- thumbnails of all heads ----------------------------------------------------------------

  function thumbnail(kind, layer, head) {
    const { rows, columns, weights } = attention[kind];
    const canvas = element("canvas", { width: columns, height: rows });
    const image = new ImageData(columns, rows);
    weights[layer][head].forEach((weight, i) => {
      image.data.set([...colour(Math.sqrt(weight)), 255], 4 * i);
    });
    canvas.getContext("2d").putImageData(image, 0, 0);
    return canvas;
  }

  const doesAlign = (kind, layer, head) =>
    kind === "cross" && layer === data.heads.layer && data.heads.heads.includes(head);

  function drawHeads() {
    const { layers, heads } = attention[chosen.kind];
    const holder = $("heads");
    holder.style.gridTemplateColumns = `auto repeat(${heads + 1}, 58px)`;
    const cells = [element("span", {}, "")];
    for (let head = 0; head <= heads; head++) cells.push(element("span", {}, head < heads ? `head ${head}` : "mean"));
    for (let layer = 0; layer < layers; layer++) {
      cells.push(element("span", {}, `layer ${layer}`));
      for (let head = 0; head <= heads; head++) {
        const label = `layer ${layer}, ${headName(chosen.kind, head)}`;
        const button = element("button", { type: "button", "aria-label": label, "data-layer": layer, "data-head": head });
        if (doesAlign(chosen.kind, layer, head)) {
          button.classList.add("aligns");
          button.title = `${label}: aligns words`;
        } else {
          button.title = label;
        }
        button.append(thumbnail(chosen.kind, layer, head));
        button.addEventListener("click", () => choose({ layer, head }));
        cells.push(button);
      }
    }
    holder.replaceChildren(...cells);
    markChosen();
  }

  function markChosen() {
    for (const button of $("heads").querySelectorAll("button")) {
      const is = +button.dataset.layer === chosen.layer && +button.dataset.head === chosen.head;
      button.setAttribute("aria-pressed", is);
    }
    for (const tab of $("kinds").children) tab.setAttribute("aria-selected", tab.dataset.kind === chosen.kind);
    $("rows-by").hidden = chosen.kind === "encoder";
    $("rows").value = chosen.rows;
  }

  // --- the grid -------------------------------------------------------------------------------

  const FONT = '12.5px ui-monospace, "SF Mono", "Cascadia Mono", "DejaVu Sans Mono", monospace';
  const grid = $("grid");
  const layout = { left: 0, top: 0, cell: 20 };

  function measure() {
    const context = grid.getContext("2d");
    context.font = FONT;
    const { rows, columns } = names(chosen.kind);
    const widest = (pieces) => Math.max(...pieces.map((piece) => context.measureText(visible(piece)).width));
    layout.left = Math.ceil(widest(rows)) + 12;
    // Names of columns stand at 60 degrees; the last ones lean out to the right.
    layout.top = Math.ceil(Math.min(170, widest(columns)) * 0.87) + 16;
    layout.lean = Math.ceil(Math.min(170, widest(columns)) * 0.5);
    const room = grid.parentElement.clientWidth - layout.left - layout.lean - 4;
    layout.cell = Math.max(13, Math.min(30, Math.floor(room / columns.length)));
  }

  function drawGrid() {
    measure();
    const { left, top, cell, lean } = layout;
    const { rows, columns } = names(chosen.kind);
    const width = left + columns.length * cell + lean + 2;
    const height = top + rows.length * cell + 2;
    const ratio = devicePixelRatio || 1;
    grid.width = width * ratio;
    grid.height = height * ratio;
    grid.style.width = `${width}px`;
    grid.style.height = `${height}px`;
    const context = grid.getContext("2d");
    context.scale(ratio, ratio);
    context.font = FONT;
    const [ink, soft, line, accent] = ["--ink", "--soft", "--line", "--accent"].map(style);
    const weights = weightsNow();
    const at = chosen.at || {};
    context.textBaseline = "middle";
    context.textAlign = "right";
    rows.forEach((piece, i) => {
      context.fillStyle = at.row === i ? accent : isSpecial(piece) ? soft : ink;
      context.fillText(visible(piece), left - 8, top + (i + 0.5) * cell);
    });
    context.textAlign = "left";
    columns.forEach((piece, j) => {
      context.save();
      context.translate(left + (j + 0.5) * cell, top - 8);
      context.rotate(-Math.PI / 3);
      context.fillStyle = at.column === j ? accent : isSpecial(piece) ? soft : ink;
      context.fillText(visible(piece), 0, 0, 170);
      context.restore();
    });
    context.fillStyle = style("--ground");
    context.fillRect(left, top, columns.length * cell, rows.length * cell);
    for (let i = 0; i < rows.length; i++) {
      for (let j = 0; j < columns.length; j++) {
        const weight = weights[i * columns.length + j];
        context.fillStyle = css(weight);
        context.fillRect(left + j * cell, top + i * cell, cell - 1, cell - 1);
        if (cell >= 26 && weight >= 0.1) {
          context.fillStyle = inkOn(weight);
          context.textAlign = "center";
          context.font = "10.5px system-ui, sans-serif";
          context.fillText(Math.round(100 * weight), left + (j + 0.5) * cell - 0.5, top + (i + 0.5) * cell);
        }
      }
    }
    context.strokeStyle = line;
    context.strokeRect(left - 0.5, top - 0.5, columns.length * cell, rows.length * cell);
    context.strokeStyle = accent;
    context.lineWidth = 1.5;
    if (at.row !== undefined) context.strokeRect(left - 1, top + at.row * cell - 1, columns.length * cell + 1, cell + 1);
    if (at.column !== undefined) context.strokeRect(left + at.column * cell - 1, top - 1, cell + 1, rows.length * cell + 1);
  }

  function cellAt(event) {
    const box = grid.getBoundingClientRect();
    const column = Math.floor((event.clientX - box.left - layout.left) / layout.cell);
    const row = Math.floor((event.clientY - box.top - layout.top) / layout.cell);
    const { rows, columns } = attention[chosen.kind];
    const isColumn = column >= 0 && column < columns;
    const isRow = row >= 0 && row < rows;
    if (isRow && (isColumn || column < 0)) return isColumn ? { row, column } : { row };
    return isColumn && row < 0 ? { column } : null;
  }

  const percent = (weight) => `${(100 * weight).toFixed(1)} %`;

  function readout() {
    const at = chosen.at;
    const holder = $("readout");
    holder.dataset.row = at?.row ?? "";
    holder.dataset.column = at?.column ?? "";
    const bold = (text) => element("b", {}, element("bdi", {}, visible(text)));
    const first = element("b", {}, `layer ${chosen.layer}, ${headName(chosen.kind, chosen.head)}`);
    if (!at) {
      const note = doesAlign(chosen.kind, chosen.layer, chosen.head) ? ": this head aligns words" : "";
      holder.replaceChildren(first, note);
      return;
    }
    const { rows, columns } = names(chosen.kind);
    const weights = weightsNow();
    const said = [first, ": "];
    if (at.row !== undefined && at.column !== undefined) {
      said.push(bold(rows[at.row]), " looks at ", bold(columns[at.column]), " ",
        element("b", { id: "weight" }, percent(weights[at.row * columns.length + at.column])));
    } else if (at.row !== undefined) {
      const best = columns.map((piece, j) => [weights[at.row * columns.length + j], piece])
        .sort((a, b) => b[0] - a[0]).slice(0, 3);
      said.push(bold(rows[at.row]), " looks at ");
      best.forEach(([weight, piece], i) => said.push(i ? ", " : "", bold(piece), ` ${percent(weight)}`));
    } else {
      said.push(bold(columns[at.column]), " is looked at by the rows shaded");
    }
    holder.replaceChildren(...said);
  }

  function point(at) {
    chosen.at = at;
    drawGrid();
    tintSentences();
    readout();
    tellEntropy();
  }

  const aligning = () => ({
    layer: data.heads.layer,
    head: data.heads.heads.length === 1 ? data.heads.heads[0] : attention.cross.heads,
  });

  function choose(change) {
    const kindChanges = change.kind && change.kind !== chosen.kind;
    if (kindChanges && change.layer === undefined) {
      change = { layer: 0, head: attention[change.kind].heads, ...(change.kind === "cross" ? aligning() : {}), ...change };
    }
    Object.assign(chosen, change, { at: null });
    if (kindChanges || "root" in change) drawHeads();
    markChosen();
    drawScale();
    point(null);
  }

  /** Mean entropy of the rows that are shown, in bits: 0 where each looks at one piece alone. */
  function tellEntropy() {
    const { rows, columns } = attention[chosen.kind];
    const sum = weightsNow().reduce((total, weight) => total - (weight ? weight * Math.log2(weight) : 0), 0);
    $("entropy").textContent = `entropy ${(sum / rows).toFixed(2)} of ${Math.log2(columns).toFixed(2)} bits`;
  }

  /** Weights as they would be without the factor, or at another temperature of the softmax. */
  function whenSharpness() {
    const temperature = 2 ** $("temperature").value;
    $("heat").textContent = +temperature.toFixed(2);
    compute(($("scaled").checked ? 1 : 1 / data.score_scale) / temperature);
    drawHeads();
    point(null);
  }

  function drawScale() {
    const canvas = $("scale");
    const context = canvas.getContext("2d");
    for (let x = 0; x < canvas.width; x++) {
      context.fillStyle = css(x / (canvas.width - 1));
      context.fillRect(x, 0, 1, canvas.height);
    }
  }

  /** Arrow keys go from head to head. */
  function whenKey(event) {
    const { layers, heads } = attention[chosen.kind];
    const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    choose({
      layer: Math.max(0, Math.min(layers - 1, chosen.layer + step[0])),
      head: Math.max(0, Math.min(heads, chosen.head + step[1])),
    });
  }

  // --- the score of each piece ----------------------------------------------------------------

  function drawPieces() {
    $("pieces").replaceChildren(...data.target_pieces.map((piece, i) => {
      const probability = Math.exp(data.log_probs[i]);
      const fill = element("div", { class: "fill" });
      fill.style.height = `${100 * probability}%`;
      fill.style.background = `var(${probability < 0.5 ? "--unsure" : "--accent"})`;
      fill.style.opacity = probability < 0.5 ? 1 : 0.25 + 0.75 * probability;
      const made = element("div", { class: "piece", title: `log P = ${data.log_probs[i].toFixed(4)}` },
        element("div", { class: "track" }, fill),
        element("bdi", {}, visible(piece)),
        probability < 0.0995 ? (100 * probability).toFixed(1) + " %" : Math.round(100 * probability) + " %");
      made.addEventListener("pointerenter", () => pointTarget(i));
      made.addEventListener("pointerleave", () => point(null));
      return made;
    }));
  }

  // --- the beam -------------------------------------------------------------------------------

  const SVG = "http://www.w3.org/2000/svg";
  const CARD = { width: 116, height: 24, gapX: 44, gapY: 6, top: 24 };

  function svg(tag, attributes, ...children) {
    const made = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }

  /** Every candidate with its place on the page, its parent and its whole text so far. */
  function tree() {
    let before = null;
    return data.steps.map((candidates, step) => {
      const cards = candidates.map((candidate, rank) => {
        const parent = before ? before[candidate.parent] : null;
        return { ...candidate, step, rank, parent, text: (parent ? parent.text : "") + candidate.piece };
      });
      before = {};
      for (const card of cards) if (card.fate === "kept") before[card.place] = card;
      return cards;
    });
  }

  const lineage = (card) => card ? [card, ...lineage(card.parent)] : [];

  function bestPath(steps) {
    const wanted = data.target_pieces.join("");
    const last = steps.flat().find((card) => card.fate === "finished" && card.text === wanted);
    return new Set(lineage(last));
  }

  function shortened(text, most) {
    const characters = [...text];
    return characters.length > most ? characters.slice(0, most - 1).join("") + "\u2026" : text;
  }

  function drawBeam() {
    const steps = tree();
    const best = bestPath(steps);
    const x = (card) => 2 + card.step * (CARD.width + CARD.gapX);
    const y = (card) => CARD.top + card.rank * (CARD.height + CARD.gapY);
    const links = [], cards = [], drawn = new Map();
    const classOf = (card) => `${card.fate}${best.has(card) ? " best" : ""}`;
    for (const card of steps.flat()) {
      let link = null;
      if (card.parent) {
        const [x1, y1] = [x(card.parent) + CARD.width, y(card.parent) + CARD.height / 2];
        const [x2, y2] = [x(card), y(card) + CARD.height / 2];
        const bend = CARD.gapX / 2;
        link = svg("path", { class: `link ${classOf(card)}`, d: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}` });
        links.push(link);
      }
      const piece = svg("text", { x: 8, y: 16 });
      piece.textContent = shortened(visible(card.piece), 8);
      const value = svg("text", { class: "value", x: CARD.width - 7, y: 16, "text-anchor": "end" });
      value.textContent = card.total.toFixed(2);
      const group = svg("g", { class: `card ${classOf(card)}`, transform: `translate(${x(card)} ${y(card)})` },
        svg("rect", { width: CARD.width, height: CARD.height, rx: 6 }), piece, value);
      group.addEventListener("pointerenter", (event) => { mark(card, true); tell(event, card); });
      group.addEventListener("pointermove", (event) => moveTip(event));
      group.addEventListener("pointerleave", () => { mark(card, false); $("tip").hidden = true; });
      drawn.set(card, { group, link });
      cards.push(group);
    }
    // What matters lies on top.
    links.sort((a, b) => a.classList.contains("best") - b.classList.contains("best"));
    const labels = steps.map((_, i) => {
      const text = svg("text", { class: "step", x: 2 + i * (CARD.width + CARD.gapX), y: 12 });
      text.textContent = `step ${i + 1}`;
      return text;
    });
    const deepest = Math.max(...steps.map((candidates) => candidates.length));
    $("beam").setAttribute("width", 4 + steps.length * (CARD.width + CARD.gapX));
    $("beam").setAttribute("height", CARD.top + deepest * (CARD.height + CARD.gapY));
    $("beam").replaceChildren(...links, ...labels, ...cards);

    function mark(card, on) {
      for (const each of lineage(card)) {
        drawn.get(each).group.classList.toggle("chosen", on);
        drawn.get(each).link?.classList.toggle("chosen", on);
      }
    }
  }

  const FATES = { kept: "kept", finished: "finished: it is a whole translation", pruned: "pruned: others were better" };

  function tell(event, card) {
    const text = card.text.replace(/\u2581/g, " ").trim();
    $("tip").textContent = `${text}\nlog P of this piece ${card.log_prob.toFixed(3)} (${percent(Math.exp(card.log_prob))})`
      + `\nlog P of all ${card.total.toFixed(3)}\n${FATES[card.fate]}`;
    $("tip").hidden = false;
    moveTip(event);
  }

  function moveTip(event) {
    const tip = $("tip");
    const { offsetWidth: width, offsetHeight: height } = tip;
    tip.style.left = `${Math.max(8, Math.min(event.clientX + 14, innerWidth - width - 8))}px`;
    tip.style.top = `${event.clientY + 18 + height > innerHeight ? event.clientY - height - 12 : event.clientY + 18}px`;
  }

  function drawMemory() {
    $("memory").hidden = !data.memory.length;
    $("retrievals").tBodies[0].replaceChildren(...data.memory.map(({ weight, entries }, i) =>
      element("tr", {}, element("td", {}, element("bdi", {}, visible(data.target_pieces[i]))),
        element("td", {}, weight.toFixed(2)),
        element("td", {}, element("ul", {}, ...entries.map((entry) =>
          element("li", {}, element("b", {}, entry.weight.toFixed(2)), " ", element("bdi", {}, visible(entry.piece)),
            " \u2190 ", element("bdi", {}, entry.source), " | ", element("bdi", {}, entry.target))))))));
  }

  function drawRanking() {
    $("ranking").tBodies[0].replaceChildren(...data.hypotheses.map(({ text, score }) =>
      element("tr", {}, element("td", {}, score.toFixed(4)), element("td", {}, element("bdi", {}, text)))));
  }

  // --- begin ----------------------------------------------------------------------------------

  function drawAll() {
    drawHeads();
    drawScale();
    drawPieces();
    point(null);
  }

  $("direction").textContent = `${data.source_language} \u2192 ${data.target_language} \u00b7 model ${data.model}`
    + ` \u00b7 score ${data.hypotheses[0].score.toFixed(3)} \u00b7 ${data.target_pieces.length} pieces`;
  chips($("source"), data.source_pieces, pointSource);
  chips($("target"), data.target_pieces, pointTarget);
  const kinds = Object.entries(TITLES).filter(([kind]) => attention[kind].layers);
  $("kinds").replaceChildren(...kinds.map(([kind, title]) => {
    const tab = element("button", { type: "button", role: "tab", "data-kind": kind }, title);
    tab.addEventListener("click", () => choose({ kind }));
    return tab;
  }));
  $("root").addEventListener("change", (event) => choose({ root: event.target.checked }));
  $("rows").addEventListener("change", (event) => choose({ rows: event.target.value }));
  grid.addEventListener("pointermove", (event) => {
    const at = cellAt(event);
    if (at?.row !== chosen.at?.row || at?.column !== chosen.at?.column) point(at);
  });
  grid.addEventListener("pointerleave", () => point(null));
  grid.addEventListener("keydown", whenKey);
  $("heads").addEventListener("keydown", whenKey);
  dark.addEventListener("change", drawAll);
  addEventListener("resize", () => point(chosen.at));
  $("scaled-label").hidden = data.score_scale === null;
  $("scaled").addEventListener("change", whenSharpness);
  $("temperature").addEventListener("input", whenSharpness);
  drawBeam();
  drawMemory();
  drawRanking();
  drawAll();
  document.documentElement.dataset.ready = "yes";
})();
