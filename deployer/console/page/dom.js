// Elements without markup: texts become text nodes, so that a key or a cell can't become an element, whatever it holds.

import { visible } from "./format.js";

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes ?? {})) {
        if (value === null || value === undefined || value === false) continue;
        if (name === "on") {
            for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
        } else {
            element.setAttribute(name, value === true ? "" : String(value));
        }
    }
    add(element, children);
    return element;
}

function add(element, children) {
    for (const child of children.flat(Infinity)) {
        if (child !== null && child !== undefined && child !== false) element.append(child);
    }
}

/** Creates an HTML element: `h("p", { class: "muted" }, "text", child)`. */
export function h(tag, attributes, ...children) {
    return fill(document.createElement(tag), attributes, children);
}

/** Creates an SVG element. */
export function s(tag, attributes, ...children) {
    return fill(document.createElementNS(SVG, tag), attributes, children);
}

/** Replaces what an element contains. */
export function put(element, ...children) {
    element.replaceChildren();
    add(element, children);
    return element;
}

/** Sets a text only if it is another one, so that nothing is laid out again, and no reader repeats it. */
export function text(element, value) {
    if (element.textContent !== value) element.textContent = value;
}

/** Sets an attribute only if it is another one. */
export function attribute(element, name, value) {
    if (value === null || value === undefined) element.removeAttribute(name);
    else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

/**
 * Creates the element of a text that others chose (a key, a cell, a name): isolated, so that right-to-left letters don't
 * turn the line around, cut by CSS, and whole in its tooltip.
 */
export function foreign(value, attributes) {
    const classes = ["foreign", attributes?.class].filter(Boolean).join(" ");
    const shown = visible(String(value), classes.includes("wrap"));
    return h("bdi", { ...attributes, title: shown, class: classes }, shown);
}

/** Returns a link that opens in a tab of its own, or its text only if the address is not one of the web. */
export function outside(address, label) {
    const url = URL.canParse(address) ? new URL(address) : null;
    if (url?.protocol !== "https:" && url?.protocol !== "http:") return label === address ? h("span", {}, label) : null;
    return h("a", { href: url.href, target: "_blank", rel: "noopener noreferrer", class: "outside" }, label);
}
