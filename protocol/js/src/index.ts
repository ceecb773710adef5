// The client of callboard for JavaScript and TypeScript: start, watch and steer runs on a server.

export { connect, Client } from "./client.js";
export type {
  AskOptions,
  ClientEvents,
  ConnectOptions,
  SubscribeOptions,
  Subscription,
  Target,
  WorkflowGraph,
} from "./options.js";
export type { ClientState, StateChange } from "./upkeep.js";
export { DIALECTS } from "./dialects/index.js";
export type { Dialect, DialectName } from "./dialects/index.js";
export * from "./errors.js";
export { Fold, foldEvents } from "./fold.js";
export type { LogLine, NodeState, RunProgress, RunState, Snapshot } from "./fold.js";
export type * from "./generated/messages.js";
export { BUILT_IN_KINDS, SERVER_TYPES } from "./generated/messages.js";
export { readGraph } from "./graph.js";
export type { Graph, GraphEdge, GraphNode } from "./graph.js";
export { Http } from "./http.js";
export { ENDED, isEnding, isEvent, isNodeEvent } from "./messages.js";
export type {
  BroadcastMessage,
  ClientMessage,
  Envelope,
  JsonObject,
  LaggedMessage,
  Message,
  Messages,
  NodeEvent,
  RunEvent,
} from "./messages.js";
export { Run } from "./run.js";
export type { ControlReply, InputReply } from "./run.js";
export type { Socket, SocketClass } from "./socket.js";
export { MessageStream } from "./stream.js";
export { MessageLog } from "./traffic.js";
export type { ClientStatistics, LogEntry } from "./traffic.js";
