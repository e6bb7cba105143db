// Keeps the focus on the page: where what has it is hidden, disabled or removed, what comes next to it gets it.

const CONTROLS = "a[href], button, input, select, textarea, summary, video[controls], [tabindex]:not([tabindex='-1'])";

const usable = control => control.isConnected && !control.matches(":disabled") && control.checkVisibility({ visibilityProperty: true });

let last = null; // what had the focus
let seen = false; // whether that was shown, as to those who use the keyboard
let around = []; // what lies around it, from the inside out: the place of its part { inner, number } in each

document.addEventListener("focusin", ({ target }) => {
  last = target;
  seen = target.matches(":focus-visible");
  // Browsers are content with a part of it.
  if (seen) target.scrollIntoView({ block: "nearest", inline: "nearest" });
  around = [];
  for (let inner = target; inner.parentElement && inner.localName !== "main"; inner = inner.parentElement) {
    around.push({ outer: inner.parentElement, inner, number: [...inner.parentElement.children].indexOf(inner) });
  }
});

// Who clicks beside everything wants no focus.
document.addEventListener("click", () => { if (last && document.activeElement === document.body && usable(last)) last = null; });

function mend(changes) {
  const now = document.activeElement;
  if (!last || (now && now !== document.body && now !== last) || usable(last)) return;
  // As "Stop" that takes the place of "Run".
  const instead = changes.map(({ target }) => target).find(each => each.parentElement === around[0].outer && each.matches(CONTROLS) && usable(each));
  if (instead) { instead.focus({ preventScroll: !seen }); return; }
  for (const { outer, inner, number } of around) {
    const found = outer.isConnected ? [...outer.querySelectorAll(CONTROLS)].filter(usable) : [];
    if (!found.length) continue;
    const from = inner.isConnected ? inner : outer.children[number];
    const after = from && found.find(control => control === from || from.compareDocumentPosition(control) & Node.DOCUMENT_POSITION_FOLLOWING);
    (after ?? found.at(-1)).focus({ preventScroll: !seen });
    return;
  }
}

new MutationObserver(mend).observe(document.body, { subtree: true, childList: true, attributeFilter: ["hidden", "disabled"] });

// A button that gives way to another, such as "Stop", would press that too if the key is held.
document.addEventListener("keydown", event => { if (event.repeat && event.key === "Enter" && event.target.matches("button")) event.preventDefault(); });
