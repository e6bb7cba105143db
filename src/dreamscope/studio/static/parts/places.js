// Places in the network, { layer, channel }: their addresses, and links that are followed without loading the page anew.

import { element, facts } from "../common.js";

export const address = ({ layer, channel }) => `/m/${encodeURIComponent(facts.model)}/${layer}${channel == null ? "" : `/${channel}`}`;

export function link(place, attributes, ...children) {
  return lead(element("a", attributes, ...children), place);
}

// Has a link lead to a place.
export function lead(anchor, place) {
  return Object.assign(anchor, { href: address(place), place });
}

// Reads the place off an address's path.
export function read(path) {
  const [, , , layer, channel] = path.split("/");
  return { layer: layer ? decodeURIComponent(layer) : null, channel: channel ? Number(channel) : null };
}
