// What the panel shows before something is chosen: the rate, the deployments, and what the console asks of AWS.

import { chart } from "./chart.js";
import { foreign, h, outside, put, text } from "./dom.js";
import { count, counted, dollars, time } from "./format.js";
import { section } from "./parts.js";
import { href } from "./route.js";

/** Deployments that are listed at first. */
const SHOWN = 6;

export class Overview {
    #store;
    #chart = h("div");
    #deployments = h("div");
    #callsText = h("p", { class: "muted" });
    #callsBody = h("tbody");
    #link = h("p");
    #all = false;

    constructor(store) {
        this.#store = store;
        this.element = h("div", { class: "place" },
            section("Throughput", this.#chart),
            section("Deployments", this.#deployments,
                h("p", { class: "links" }, h("a", { href: href("plan"), class: "button" }, "Plan of the next one"), h("a", { href: href("drift"), class: "button" }, "Drift"))),
            section("Calls", this.#callsText, h("table", { class: "calls" },
                h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Operation"), h("th", { scope: "col" }, "Calls"))), this.#callsBody), this.#link));
        this.changed(new Set(["rates", "deployments", "budget", "stack"]));
    }

    changed(sections) {
        const state = this.#store.state;
        if (state === null) return;
        if (sections.has("rates")) chart(this.#chart, state.rates);
        if (sections.has("deployments")) this.#history(state);
        if (sections.has("budget")) this.#budget(state);
        if (sections.has("stack")) put(this.#link, state.stack.consoleLink && outside(state.stack.consoleLink, "Open the stack in AWS's console"));
    }

    #history(state) {
        const all = state.deployments;
        if (all.length === 0) return put(this.#deployments, h("p", { class: "muted" }, "Nothing has been deployed."));
        const shown = this.#all ? all : all.slice(0, SHOWN);
        const more = h("button", { type: "button", class: "small" }, `Show all ${count(all.length)}`);
        more.addEventListener("click", () => {
            this.#all = true;
            this.#history(state);
        });
        put(this.#deployments, h("ol", { class: "history" }, shown.map((one) => h("li", { "data-result": one.result },
            h("span", { class: "number" }, `#${one.number}`),
            h("div", {}, h("p", {}, h("b", {}, one.kind), " ", h("span", { class: "result" }, one.result)), h("p", { class: "muted" }, foreign(changes(one.changes), { class: "wrap" }), one.caller && [" · ", foreign(one.caller, { class: "caller" })])),
            h("time", { datetime: one.time, class: "muted" }, time(one.time))))), all.length > shown.length && more);
    }

    #budget({ budget, stack }) {
        const calls = Object.entries(budget.calls).sort((one, other) => other[1] - one[1]);
        const where = stack.target === "aws" ? "AWS" : "the local cloud";
        const cost = stack.target === "aws" ? `, about ${dollars(budget.costPerHourUsd)} an hour` : "";
        text(this.#callsText, `${count(budget.usedLastMinute)} of at most ${counted(budget.callsPerMinute, "call")} a minute to ${where}${cost}. However many tabs are open, they share them.`);
        put(this.#callsBody, calls.map(([name, number]) => h("tr", {}, h("td", {}, name), h("td", { class: "number" }, count(number)))));
    }
}

function changes(value) {
    if (typeof value === "number") return counted(value, "change");
    return value === null || value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value);
}
