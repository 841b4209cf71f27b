// Confirmations, and messages at the edge of the page.

import { h } from "./dom.js";

/**
 * Asks in a dialog before something is changed; resolves to `true` only for its button. `body` is what will happen. The
 * browser keeps the focus inside, and Escape cancels.
 */
export function confirm({ title, body, button, check }) {
    return new Promise((resolve) => {
        const yes = h("button", { type: "button", class: "primary" }, button);
        const no = h("button", { type: "button" }, "Cancel");
        const dialog = h("dialog", { "aria-labelledby": "dialog-title" },
            h("h2", { id: "dialog-title" }, title), h("div", { class: "dialog-body" }, body), h("div", { class: "buttons" }, no, yes));
        no.addEventListener("click", () => dialog.close());
        yes.addEventListener("click", () => {
            if (check?.() !== false) dialog.close("yes");
        });
        dialog.addEventListener("close", () => {
            dialog.remove();
            resolve(dialog.returnValue === "yes");
        });
        document.body.append(dialog);
        dialog.showModal();
        (dialog.querySelector("[data-first]") ?? no).focus();
    });
}

/** Shows a message for some seconds; it is in a live region, so a screen reader reads it. An error stays until it is closed. */
export function toast(message, { severity = "info", hint } = {}) {
    const close = h("button", { type: "button", class: "close", "aria-label": "Close the message" }, "×");
    const element = h("div", { class: "toast", "data-severity": severity }, h("div", {}, h("p", {}, message), hint && h("p", { class: "hint" }, hint)), close);
    close.addEventListener("click", () => element.remove());
    document.querySelector("#toasts").append(element);
    if (severity !== "error") setTimeout(() => element.remove(), 6_000);
    return element;
}

/** Returns what a failed request says, for the place where its answer would have been. */
export function failure(error) {
    return h("div", { class: "note", "data-severity": "error" }, h("p", {}, error.message), error.hint && h("p", { class: "hint" }, error.hint));
}
