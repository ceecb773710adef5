/** A picture that a run left. It is fetched with the page's token and shown from memory, which an `<img>` of its own could not. */
import { useEffect, useState } from "react";
import { texts, useText } from "../i18n";
import { useClient } from "../session";

const pictureText = texts(
  { failed: (message: string) => `The picture could not be fetched: ${message}`, whole: "In its own size" },
  { failed: (message) => `无法获取图片：${message}`, whole: "原始大小" },
);

/** The picture at a path of the server. `data-testid="picture"`. */
export function Picture({ path, name }: { path: string; name: string }) {
  const t = useText(pictureText);
  const client = useClient();
  const [address, setAddress] = useState<string | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [whole, setWhole] = useState(false);
  useEffect(() => {
    const asked = new AbortController();
    let made: string | null = null;
    setAddress(null);
    setProblem(null);
    client.http
      .blob(path, { signal: asked.signal })
      .then((blob) => {
        if (asked.signal.aborted) return;
        made = URL.createObjectURL(blob);
        setAddress(made);
      })
      .catch((error: unknown) => {
        if (!asked.signal.aborted) setProblem(error instanceof Error ? error.message : String(error));
      });
    return () => {
      asked.abort();
      if (made !== null) URL.revokeObjectURL(made);
    };
  }, [client, path]);
  if (problem !== null) return <p className="error-text">{t.failed(problem)}</p>;
  if (address === null) return null;
  return (
    <figure className="picture" data-whole={whole || undefined}>
      <button type="button" aria-pressed={whole} title={t.whole} onClick={() => setWhole(!whole)}>
        <img src={address} alt={name} data-testid="picture" />
      </button>
      <figcaption className="muted">{name}</figcaption>
    </figure>
  );
}
