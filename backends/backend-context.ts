/** What a backend gets beside its settings. */
export type Notice = { level: "info" | "warn" | "error"; code?: string; message: string };

/** Tells people something once; returns at once and never throws. */
export type OnNotice = (notice: Notice) => void;

export type BackendContext = {
  /** Default: nobody hears it. */
  onNotice?: OnNotice;
};
