/** A node as the small map draws it. */
import type { MiniMapNodeProps } from "@xyflow/react";
import { memo } from "react";
import { signOf } from "./sign";
import { useNodeView } from "./source";

/** A node on the small map: a box in the colour of its state. */
export const MapNode = memo(function MapNode({ id, x, y, width, height }: MiniMapNodeProps) {
  const view = useNodeView(id);
  return (
    <rect className="map-node" data-sign={signOf(view)} x={x} y={y} width={width} height={height} rx={8} />
  );
});
