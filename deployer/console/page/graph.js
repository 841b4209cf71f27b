// The pipeline as `deployer graph` draws it, with what happens in it now. The picture is built once for each layout; after
// that only texts and classes change.

import { attribute, h, put, s, text } from "./dom.js";
import { count, rate, short } from "./format.js";
import { href } from "./route.js";

/** Boxes and lines are stretched in height, which makes room for a line of facts in each box. */
const STRETCH = 1.36;
const MARGIN = 24;
/** Facts that have room in a box; all of them are in its tooltip and in the panel. */
const FACTS = 2;
/** Width of a letter of a fact, about. */
const LETTER = 6.1;

const STATES = { ok: "ok", busy: "busy", warning: "warning", error: "error", unknown: "unknown" };

function stretched(path) {
    return path.replaceAll(/(-?[\d.]+)[ ,](-?[\d.]+)/g, (_, x, y) => `${x} ${(Number(y) * STRETCH).toFixed(1)}`);
}

/** Returns the path of an edge: the server's own, or a line through its points. */
function line(edge) {
    if (typeof edge.path === "string") return stretched(edge.path);
    return edge.points.map(([x, y], index) => `${index === 0 ? "M" : "L"}${x} ${y * STRETCH}`).join("");
}

function middle(edge) {
    if (edge.labelAt) return [edge.labelAt[0], edge.labelAt[1] * STRETCH];
    const [x, y] = edge.points[Math.floor(edge.points.length / 2)] ?? [0, 0];
    return [x, y * STRETCH];
}

/** What decides the layout: with another one, the picture is built anew. */
function layout(graph) {
    const nodes = graph.nodes.map((node) => [node.id, node.name, node.label, node.x, node.y, node.width, node.height]);
    const edges = graph.edges.map((edge) => [edge.id, edge.label, edge.path ?? edge.points]);
    return JSON.stringify([nodes, edges]);
}

/** The picture in `element`. */
export class Graph {
    #element;
    #layout = null;
    #nodes = new Map();
    #edges = new Map();
    #selected = null;

    constructor(element) {
        this.#element = element;
    }

    /** Marks the resource that the panel shows. */
    select(name) {
        this.#selected = name;
        for (const [, node] of this.#nodes) attribute(node.link, "aria-current", node.name === name ? "true" : null);
    }

    render(graph) {
        if (graph.nodes.length === 0) {
            this.#layout = null;
            put(this.#element, h("p", { class: "empty" }, "The stack has no resources that are drawn."));
            return;
        }
        const wanted = layout(graph);
        if (wanted !== this.#layout) {
            this.#build(graph);
            this.#layout = wanted;
            this.select(this.#selected);
        }
        for (const node of graph.nodes) this.#update(node);
        for (const edge of graph.edges) this.#flow(edge);
    }

    #build(graph) {
        this.#nodes.clear();
        this.#edges.clear();
        const width = Math.max(...graph.nodes.map((node) => node.x + node.width), (graph.width ?? 0) - MARGIN) + MARGIN;
        const bottom = Math.max(
            ...graph.nodes.map((node) => node.y + node.height),
            ...graph.edges.flatMap((edge) => edge.points.map(([, y]) => y)),
        );
        const height = bottom * STRETCH + MARGIN;
        const arrow = s("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 8, markerHeight: 8, markerUnits: "userSpaceOnUse", orient: "auto" },
            s("path", { d: "M0 0.500L8 4L0 7.500z" }));
        const svg = s("svg", {
            viewBox: `0 0 ${width.toFixed(0)} ${height.toFixed(0)}`, width: width.toFixed(0), height: height.toFixed(0),
            role: "group", "aria-labelledby": "pipeline-title",
        }, s("defs", {}, arrow));
        svg.append(...graph.edges.map((edge) => this.#edge(edge)));
        svg.append(...graph.edges.map((edge) => this.#label(edge)));
        svg.append(...graph.nodes.map((node) => this.#node(node)));
        put(this.#element, svg);
    }

    #edge(edge) {
        const path = s("path", { d: line(edge), class: `edge${edge.failure ? " failure" : ""}`, "marker-end": "url(#arrow)" });
        const across = edge.points.map(([x]) => x);
        this.#edges.set(edge.id, { path, room: Math.max(...across) - Math.min(...across) });
        return path;
    }

    #label(edge) {
        const [x, y] = middle(edge);
        const rows = s("tspan", { class: "rows", x, dy: 17 });
        const label = s("text", { class: "edge-label", x, y: y - 5 }, s("tspan", {}, edge.label), rows);
        Object.assign(this.#edges.get(edge.id), { rows, label });
        return label;
    }

    #node(node) {
        const [y, height] = [node.y * STRETCH, node.height * STRETCH];
        const center = node.x + node.width / 2;
        const facts = s("text", { class: "facts", x: center, y: y + height - 9 });
        const title = s("title");
        const box = s("rect", { x: node.x, y, width: node.width, height, rx: Math.min(10, height / 4) });
        const mark = s("circle", { class: "mark", cx: node.x + node.width - 2, cy: y + 2, r: 5 });
        const link = s("a", { class: "node", href: href("resource", node.name), "data-type": node.type },
            title, box, mark,
            // The title says the same, and more.
            s("g", { "aria-hidden": "true" },
                s("text", { class: "name", x: center, y: y + height * 0.38 }, node.name),
                s("text", { class: "type", x: center, y: y + height * 0.38 + 14 }, node.label),
                facts));
        this.#nodes.set(node.id, { link, facts, title, name: node.name, room: node.width - 6 });
        return link;
    }

    #update(node) {
        const drawn = this.#nodes.get(node.id);
        const state = STATES[node.state] ?? "unknown";
        attribute(drawn.link, "data-state", state);
        const facts = node.facts.map((fact) => `${fact.label} ${fact.value}`);
        const worst = [...node.facts].sort((one, other) => grade(other) - grade(one));
        // As many as have room, the worst first.
        let shown = "";
        for (const fact of worst.slice(0, FACTS)) {
            const more = `${shown === "" ? "" : " · "}${fact.label} ${fact.value.replace(" / ", "/")}`;
            if (shown !== "" && (shown.length + more.length) * LETTER > drawn.room) break;
            shown += more;
        }
        text(drawn.facts, shown);
        attribute(drawn.facts, "font-size", Math.min(10.5, (10.5 * drawn.room) / (shown.length * LETTER || 1)).toFixed(1));
        attribute(drawn.facts, "data-quiet", worst[0]?.value === "0" ? "" : null);
        attribute(drawn.facts, "data-severity", worst[0]?.severity ?? "none");
        const all = [node.name, node.label, state, ...facts];
        // The tooltip, and what a screen reader calls the link.
        text(drawn.title, all.join(",\n"));
    }

    #flow(edge) {
        const drawn = this.#edges.get(edge.id);
        const parts = [];
        if (edge.rowsPerSecond > 0) parts.push(rate(edge.rowsPerSecond));
        if (edge.rows > 0) parts.push(short(edge.rows));
        // On a short line, the first has to do.
        const whole = parts.join(" · ");
        text(drawn.rows, whole.length * LETTER > drawn.room ? parts[0] : whole);
        attribute(drawn.path, "data-busy", edge.rowsPerSecond > 0 ? "" : null);
        attribute(drawn.label, "data-busy", edge.rowsPerSecond > 0 ? "" : null);
        attribute(drawn.label, "aria-label", edge.rows > 0 ? `${edge.label}, ${count(edge.rows)} rows` : edge.label);
    }
}

function grade(fact) {
    return { error: 2, warning: 1 }[fact.severity] ?? 0;
}
