import type { PageView } from './page-view.ts';

/**
 * Renders the one page of the weather application with its content, so that a browser shows it at
 * once and without a script.
 */
export function renderPage({ places, remark }: PageView): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Weather across two meshes</title>
<style>
  :root { color-scheme: light dark; --ink: #17202a; --soft: #5b6773; --line: #d9dfe5; --card: #fff; --ground: #f3f6f9; --good: #0b6b3a; --good-bg: #e5f5ec; --bad: #8a4b00; --bad-bg: #fdf1df; }
  @media (prefers-color-scheme: dark) { :root { --ink: #e8edf2; --soft: #9fabb7; --line: #313b45; --card: #1b232b; --ground: #12181e; --good: #7fdcaa; --good-bg: #12301f; --bad: #f5c27a; --bad-bg: #37270e; } }
  * { box-sizing: border-box; }
  body { margin: 0; font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--ground); }
  main { max-width: 58rem; margin: 0 auto; padding: 2.5rem 1.25rem 3rem; }
  h1 { margin: 0; font-size: 1.75rem; letter-spacing: -0.01em; }
  .lead { margin: .25rem 0 1.75rem; color: var(--soft); }
  .places { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: 1rem; padding: 0; margin: 0 0 1.75rem; list-style: none; }
  .places li { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 1.1rem 1.2rem; }
  .sky { font-size: 1.9rem; line-height: 1; }
  .place { margin: .6rem 0 0; font-weight: 600; }
  .degrees { font-size: 1.6rem; font-weight: 300; }
  .wind { color: var(--soft); font-size: .9rem; }
  .remark { border-radius: 12px; border: 1px solid var(--line); padding: 1.1rem 1.25rem; background: var(--card); }
  .remark.good { background: var(--good-bg); border-color: transparent; }
  .remark.bad { background: var(--bad-bg); border-color: transparent; }
  .remark h2 { margin: 0 0 .25rem; font-size: 1rem; }
  .good h2 { color: var(--good); } .bad h2 { color: var(--bad); }
  .remark p { margin: 0; overflow-wrap: anywhere; }
  .remark .fine { margin-top: .5rem; font-size: .85rem; color: var(--soft); }
  code { font: .85em ui-monospace, monospace; }
</style>
</head>
<body>
<main>
  <h1>Weather across two meshes</h1>
  <p class="lead">The weather comes from the Istio mesh. The remark comes from the Consul mesh, over mutual TLS that no gateway decrypts.</p>
  <ul class="places" id="places" aria-label="Weather by place">${places.map(renderPlace).join('')}</ul>
  <section class="remark ${remark.good ? 'good' : 'bad'}" id="remark" aria-live="polite">
    <h2 id="remark-title">${escape(remark.title)}</h2>
    <p id="remark-text">${escape(remark.text)}</p>
    <p class="fine" id="remark-fine">${escape(remark.fine)}</p>
  </section>
</main>
<script src="/page.js" defer></script>
</body>
</html>
`;
}

function renderPlace({ symbol, place, degrees, wind }: PageView['places'][number]): string {
  const line = (name: string, text: string) => `<div class="${name}">${escape(text)}</div>`;
  return `<li>${line('sky', symbol)}${line('place', place)}${line('degrees', degrees)}${line('wind', wind)}</li>`;
}

/** Text of other services stays text: no character of it may begin markup. */
function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/**
 * Requests the page again every second and replaces the changed parts. Served separately so that
 * the page needs no inline script (Content-Security-Policy). It parses the server's page into a
 * document that runs nothing, and copies elements from it.
 */
export const pageScript = `'use strict';
const parts = ['places', 'remark'];
async function refresh() {
  try {
    const response = await fetch('/', { cache: 'no-store' });
    const next = new DOMParser().parseFromString(await response.text(), 'text/html');
    for (const id of parts) {
      const [old, found] = [document.getElementById(id), next.getElementById(id)];
      if (!old.isEqualNode(found)) old.replaceWith(document.importNode(found, true));
    }
  } catch (error) {
    document.getElementById('remark').className = 'remark bad';
    document.getElementById('remark-title').textContent = 'The page cannot reach its own server';
    document.getElementById('remark-text').textContent = 'What you see is old. The page tries again every second.';
    document.getElementById('remark-fine').textContent = 'Reason: ' + error.message;
  }
  setTimeout(refresh, 1000);
}
setTimeout(refresh, 1000);
`;
