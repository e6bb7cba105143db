// What all pages share: elements by id, new elements, one line of news at the bottom, and what the server said at first.

import "./focus.js";

export const $ = id => document.getElementById(id);

export const facts = JSON.parse($("facts").textContent);

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value != null) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

// Scrolls to what has come, if it can't be seen yet.
export function reveal(what) {
  if (what.getBoundingClientRect().top < innerHeight / 3) return;
  what.scrollIntoView({ block: "start", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
}

let fading;

// Takes back what was said, once it is dealt with.
export function hush() { $("message").textContent = ""; }

// Shows a line for a while, and has it read out.
export function say(text) {
  const line = $("message");
  line.textContent = text;
  clearTimeout(fading);
  fading = setTimeout(() => { line.textContent = ""; }, 9000);
}

export const percent = share => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)}%`;

export const plural = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;

export const view = (name, side) => `/pictures/${name.replace(":", "-")}${side ? `?side=${side}` : ""}`;

// On a phone the pages' bar is wider than the screen.
document.querySelector("nav [aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" });
