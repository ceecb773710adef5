/** Saving something on the visitor's machine, as a download. */

/** Saves bytes under a name; what no file system takes in names becomes `_`. */
export function saveFile(content: Blob, name: string): void {
  const address = URL.createObjectURL(content);
  const link = document.createElement("a");
  link.href = address;
  link.download = name.replace(/[/\\?%*:|"<>\p{Cc}]+/gu, "_");
  link.click();
  // The browser has begun to read it by the next task.
  setTimeout(() => URL.revokeObjectURL(address), 0);
}
