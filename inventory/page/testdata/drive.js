// Does what an operator would, one step after another, and notes what it sees
// in the body's data-log.
(async () => {
  const log = [];
  const $ = (selector) => document.querySelector(selector);
  const wait = (ms) => new Promise((done) => setTimeout(done, ms));
  const view = () => [...document.querySelectorAll('.view')].filter((v) => !v.hidden).map((v) => v.id).join();
  const lines = () => document.querySelectorAll('.edge.on').length + ' lines stand out';
  const type = async (text) => {
    $('#query').value = text;
    $('#query').dispatchEvent(new Event('input'));
    await wait(500);
  };
  const note = (text) => { log.push(text); };

  const web = $('.node[href="#host=web01"]');
  web.focus();
  const toApp = [...document.querySelectorAll('.edge.on title')].filter((t) => t.textContent.includes('web01 → app')).length;
  note('focus of web01: ' + lines() + ', of them ' + toApp + ' to app');
  web.blur();
  note('nothing pointed at: ' + lines());
  location.hash = '#map=cache01';
  await wait(500);
  note('pinned by the address: ' + lines());
  await type('redis-server');
  note('typed: ' + view() + ', ' + location.hash);
  await type('redis-server-07.service');
  note('typed more: ' + view() + ', ' + location.hash + ', ' + $('#results h2').textContent);
  history.back();
  await wait(500);
  note('back: ' + view() + ', query is "' + $('#query').value + '"');
  document.body.dispatchEvent(new KeyboardEvent('keydown', { key: '/', bubbles: true }));
  note(document.activeElement === $('#query') ? 'slash: the query has the focus' : 'slash: it has not');
  location.hash = '#hosts';
  await wait(500);
  const button = [...document.querySelectorAll('#hosts thead button')].find((b) => b.textContent === 'Findings');
  const first = () => $('#hosts tbody tr').cells[11].textContent;
  button.click();
  const up = first();
  button.click();
  note('sorted by findings: ' + up + ', then ' + first());
  $('#hosts a[href="#host=app02"]').click();
  await wait(500);
  note('clicked on a host: ' + view() + ', ' + location.hash);
  [...document.querySelectorAll('.parts button')].find((b) => b.textContent.startsWith('packages')).click();
  const block = [...document.querySelectorAll('#host details')].find((d) => d.textContent.startsWith('packages'));
  note('part: packages ' + (block.open ? 'open' : 'folded'));
  note('end');
  document.body.dataset.log = log.map((l) => l + '\n').join('');
})();
