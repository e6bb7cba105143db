// The curves of a map's faithfulness, as a small drawing.

const WIDE = 240, HIGH = 110, LEFT = 36, BELOW = 20, ABOVE = 8;
const SPACE = "http://www.w3.org/2000/svg";

function drawn(name, attributes, text) {
  const made = document.createElementNS(SPACE, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text) made.textContent = text;
  return made;
}

// Returns where the scale of several curves ends: of a class that the network is hardly sure of, they are to be seen too.
export function scaleOf(all) {
  const most = Math.max(...all.flatMap(each => [...each.insertion, ...each.deletion]), 1e-6);
  return [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1].find(each => each >= most) ?? most;
}

export function curves({ shares, insertion, deletion, insertion_area: up, deletion_area: down }, title, top) {
  const x = share => LEFT + share * (WIDE - LEFT - 4);
  const y = value => HIGH - BELOW - value / top * (HIGH - BELOW - ABOVE);
  const line = (values, kind) => drawn("polyline", { class: kind, points: values.map((value, step) => `${x(shares[step]).toFixed(1)},${y(value).toFixed(1)}`).join(" ") });
  const said = `${title}: area ${up.toFixed(2)} with the highest pixels shown first, ${down.toFixed(2)} with them removed first`;
  const picture = drawn("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", "aria-label": said });
  picture.append(
    drawn("path", { class: "axis", d: `M${LEFT} ${ABOVE}V${HIGH - BELOW}H${WIDE - 4}` }),
    drawn("text", { x: LEFT - 4, y: ABOVE + 5, class: "end" }, `${Math.round(100 * top)}%`),
    drawn("text", { x: LEFT - 4, y: HIGH - BELOW, class: "end" }, "0"),
    drawn("text", { x: LEFT, y: HIGH - 5 }, "no pixels"),
    drawn("text", { x: WIDE - 4, y: HIGH - 5, class: "end" }, "all pixels"),
    line(deletion, "removed"),
    line(insertion, "shown"),
  );
  return picture;
}
