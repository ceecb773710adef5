/** How large nodes are drawn, and how far from each other; pixels of the canvas. */
import type { Size } from "./model";

/** Of every node that is no frame and no note. */
export const NODE_SIZE: Size = { width: 216, height: 64 };
/** Between the layers of a layout. */
export const LAYER_GAP = 72;
/** Between the nodes of a layer. */
export const NODE_GAP = 28;
