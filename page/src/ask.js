// What the page asks of its server, with the token of its own address.

const TOKEN = new URLSearchParams(location.search).get("token") ?? "";

/** What a link needs, for which no header can be sent. */
export const link = (path, more = "") => `${path}?token=${encodeURIComponent(TOKEN)}${more}`;

/** The server did not do what it was asked, for a reason that it gave; asking again will not help. */
export class Refusal extends Error {}

/** The answer as an object; raises Refusal, or any other error if there was no answer. */
export async function ask(method, path, body) {
  const raw = body instanceof Blob || body === undefined;
  const answer = await fetch(path, {
    method,
    headers: { Authorization: `Bearer ${TOKEN}` },
    body: raw ? body : JSON.stringify(body),
    cache: "no-store",
  });
  if (answer.status === 403) throw new Refusal("vibe was started anew since this page was opened: use the address that it printed");
  if (answer.status === 503) throw new Error("busy");
  const content = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refusal(content.error ?? `the server answered ${answer.status}`);
  return content;
}
