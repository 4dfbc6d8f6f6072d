/* Format numbers with units for axes and legends. Translated text comes from the
   server. */

const language = document.documentElement.lang || "en";
const formats = new Map();

function number(value, digits) {
  if (!formats.has(digits)) {
    const options = { maximumFractionDigits: digits };
    formats.set(digits, new Intl.NumberFormat(language, options));
  }
  return formats.get(digits).format(value);
}

const SYMBOLS = { percent: "%", celsius: "°C", watt: "W", MHz: "MHz", ratio: "" };
const BINARY = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
const TIMES = [["µs", 1e-6], ["ms", 1e-3], ["s", 1]];

/* The largest unit that keeps the number at least 1. */
function binary(value, from) {
  let power = from;
  let scaled = value;
  while (Math.abs(scaled) >= 1024 && power < BINARY.length - 1) {
    scaled /= 1024;
    power += 1;
  }
  return [scaled, BINARY[power]];
}

function duration(value) {
  const [symbol, size] = TIMES.findLast(([, s]) => Math.abs(value) >= s) ?? TIMES[1];
  return [value / size, symbol];
}

function scaled(value, unit) {
  if (unit === "byte") return binary(value, 0);
  if (unit === "MiB") return binary(value, 2);
  if (unit === "second" && value) return duration(value);
  return [value, unit === "second" ? "s" : (SYMBOLS[unit] ?? "")];
}

/* Below 0.1, two digits that are not zero. */
function fractionDigits(amount) {
  if (amount >= 100) return 0;
  if (amount >= 10) return 1;
  return amount >= 0.1 || !amount ? 2 : Math.min(8, 1 - Math.floor(Math.log10(amount)));
}

/* perSecond: the value is a rate. */
export function withUnit(value, unit, perSecond = false) {
  if (value === null || value === undefined) return "–";
  const [amount, symbol] = scaled(value, unit);
  const digits = fractionDigits(Math.abs(amount));
  const suffix = perSecond ? `${symbol}/s` : symbol;
  const gap = suffix && suffix !== "%" ? "\u00a0" : "";
  return `${number(amount, digits)}${gap}${suffix}`;
}

export function clock(zone, options) {
  return new Intl.DateTimeFormat(language, {
    timeZone: zone,
    hourCycle: "h23",
    ...options,
  });
}
