// Numbers, sizes, durations and times as texts. Nothing here touches the document, so that `node --test` can run it.

const WHOLE = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const TENTHS = new Intl.NumberFormat("en-US", { maximumFractionDigits: 1 });

/** Formats a number of rows: `12,345`. */
export function count(value) {
    return value === null || value === undefined ? "–" : WHOLE.format(value);
}

// Characters that can't be seen, and turn the order of what can: controls, marks and overrides of direction, and spaces without
// width. Joiners stay, which letters and emoji need.
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u200b\u200e\u200f\u202a-\u202e\u2028\u2029\u2060-\u206f\ufeff]/g;

/**
 * Writes what can't be seen as its number, so that a key such as `gepj.\u{202e}vsc.exe` does not look like another one. Line ends
 * and tabs stay where the text has lines.
 */
export function visible(text, hasLines = false) {
    return text.replace(UNSEEN, (one) => (hasLines && (one === "\n" || one === "\t") ? one : `\\u{${one.codePointAt(0).toString(16)}}`));
}

/** Formats a number where there is little room: `12.3k`. */
export function short(value) {
    if (value === null || value === undefined) return "–";
    if (value < 10_000) return WHOLE.format(value);
    for (const [unit, sign] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
        if (value >= unit) return `${(value / unit >= 100 ? WHOLE : TENTHS).format(value / unit)}${sign}`;
    }
    return WHOLE.format(value);
}

/** Formats rows a second: `0.4/s`, `812/s`. */
export function rate(value) {
    if (value === null || value === undefined) return "";
    return `${(value > 0 && value < 10 ? TENTHS : WHOLE).format(value)}/s`;
}

/** Formats a number with its noun: `1 row`, `2 rows`. */
export function counted(value, one, many = `${one}s`) {
    return `${count(value)} ${value === 1 ? one : many}`;
}

/** Formats bytes: `1.5 MiB`. */
export function bytes(value) {
    if (value === null || value === undefined) return "–";
    let size = value;
    for (const unit of ["B", "KiB", "MiB", "GiB"]) {
        if (size < 1024 || unit === "GiB") return `${(unit === "B" ? WHOLE : TENTHS).format(size)} ${unit}`;
        size /= 1024;
    }
    return "–";
}

/** Formats seconds: `45 s`, `3 min`, `2 h 5 min`. */
export function duration(seconds) {
    if (seconds === null || seconds === undefined) return "";
    const whole = Math.max(0, Math.round(seconds));
    if (whole < 90) return `${whole} s`;
    const minutes = Math.round(whole / 60);
    if (minutes < 90) return `${minutes} min`;
    return minutes % 60 === 0 ? `${minutes / 60} h` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Formats dollars an hour: two digits that count, however little it is. */
export function dollars(value) {
    if (value === null || value === undefined) return "";
    if (value === 0) return "$0";
    return value >= 0.01 ? `$${value.toFixed(2)}` : `$${Number(value.toPrecision(2)).toString()}`;
}

/** Formats a time: the time of day, and the date where it is not today. */
export function time(value, now = new Date()) {
    const at = new Date(value);
    if (value === null || value === undefined || Number.isNaN(at.getTime())) return "–";
    const clock = at.toLocaleTimeString("en-GB");
    if (at.toDateString() === now.toDateString()) return clock;
    const date = { day: "numeric", month: "short", year: at.getFullYear() === now.getFullYear() ? undefined : "numeric" };
    return `${at.toLocaleDateString("en-GB", date)}, ${clock}`;
}

/** Milliseconds without an event after which rows of an open file are missing, rather than in progress. */
const IDLE = 60_000;

/**
 * Returns the number of rows that are missing. The tally counts every row without an end, which is normal while rows arrive: only if
 * nothing has arrived for a while, or will, is something wrong.
 */
export function missing(file, now = Date.now()) {
    const waits = file.state === "open" && (file.rowsPerSecond > 0 || now - Date.parse(file.lastAt) < IDLE);
    return waits ? 0 : (file.missing ?? 0);
}

/**
 * Returns the parts of a file's bar, each with its number of rows, in the order in which they are drawn: settled rows first,
 * then those in progress. The rest of `whole` is not read yet.
 */
export function parts(file) {
    const settled = { loaded: file.loaded, skipped: file.skipped, failed: file.failed, missing: missing(file) };
    const done = settled.loaded + settled.skipped + settled.failed + settled.missing;
    const under = Math.max(0, file.extracted - done);
    const transformed = Math.min(under, Math.max(0, file.transformed - file.loaded));
    const all = { ...settled, transformed, extracted: under - transformed };
    const sum = done + under;
    const whole = Math.max(file.total ?? sum, sum);
    return { whole, parts: Object.entries(all).filter(([, rows]) => rows > 0).map(([name, rows]) => ({ name, rows })) };
}

/** Says in one sentence what became of a file: for screen readers and the line under its key. */
export function summary(file) {
    const said = [];
    const total = file.total;
    said.push(total === null || total === undefined ? `${count(file.loaded)} loaded` : `${count(file.loaded)} of ${count(total)} loaded`);
    if (file.skipped > 0) said.push(`${count(file.skipped)} skipped`);
    if (file.failed > 0) said.push(`${count(file.failed)} failed`);
    const lost = missing(file);
    if (lost > 0) said.push(`${count(lost)} missing`);
    return said.join(", ");
}
