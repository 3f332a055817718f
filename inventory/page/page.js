'use strict';
// The page's script: search, the hosts' pages, and what the map shows when it
// is pointed at. All text goes into the page as text, never as markup.
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);
  const byName = new Map(data.hosts.map((host) => [host.name, host]));
  const shownRows = 50; // of a table, in the results of a search
  const shownHosts = 12; // beside a row there
  const foldedRows = 40; // a longer table of a host is folded

  // element makes an element of a tag, with properties and children.
  function element(tag, properties, ...children) {
    const e = document.createElement(tag);
    Object.assign(e, properties);
    e.append(...children);
    return e;
  }

  function hostLink(name) {
    return element('a', { href: '#host=' + encodeURIComponent(name) }, name);
  }

  // marked is a text with the words of a search marked in it.
  function marked(text, words) {
    const lower = text.toLowerCase();
    const parts = [];
    let at = 0;
    while (words.length > 0 && lower.length === text.length) {
      let first = -1, length = 0;
      for (const word of words) {
        const i = lower.indexOf(word, at);
        if (i >= 0 && (first < 0 || i < first || (i === first && word.length > length))) [first, length] = [i, word.length];
      }
      if (first < 0) break;
      parts.push(text.slice(at, first), element('mark', {}, text.slice(first, first + length)));
      at = first + length;
    }
    parts.push(text.slice(at));
    return parts;
  }

  // cell links the name of a host to its page.
  function cell(text, words) {
    return element('td', {}, ...(byName.has(text) && words.length === 0 ? [hostLink(text)] : marked(text, words)));
  }

  function tableOf(header, rows) {
    const head = element('tr', {}, ...header.map((h) => element('th', { scope: 'col' }, h[0] + h.slice(1).toLowerCase())));
    return element('div', { className: 'wide' },
      element('table', { className: 'rows' }, element('thead', {}, head), element('tbody', {}, ...rows)));
  }

  // rowsOf are the numbers of a host's rows of a table.
  function rowsOf(part) {
    const rows = [];
    for (let i = 1; i < part.length; i += 2) {
      for (let n = 0; n < part[i + 1]; n++) rows.push(part[i] + n);
    }
    return rows;
  }

  function showHost(name) {
    const host = byName.get(name);
    if (!host) return refuse('There is no host ' + name + ' in this inventory.');
    const view = document.getElementById('host');
    const parts = element('ul', { className: 'parts' });
    const details = [];
    let facts = '';
    for (const part of host.tables) {
      const table = data.tables[part[0]];
      const rows = rowsOf(part).map((n) => table.rows[n]);
      if (table.name === 'facts') {
        facts = element('dl', { className: 'facts' });
        for (const [fact, value] of rows) facts.append(element('dt', {}, fact), element('dd', {}, value || '–'));
        continue;
      }
      const heading = element('h3', {}, table.name);
      const block = element('details', { open: rows.length <= foldedRows },
        element('summary', {}, heading, ' ' + rows.length),
        tableOf(table.header, rows.map((row) => element('tr', {}, ...row.map((text) => cell(text, []))))));
      const jump = element('button', { type: 'button' }, table.name + ' ' + rows.length);
      jump.addEventListener('click', () => {
        block.open = true;
        block.scrollIntoView();
        block.firstChild.focus();
      });
      parts.append(element('li', {}, jump));
      details.push(block);
    }
    view.replaceChildren(
      element('h2', {}, host.name, ' ', element('span', { className: 'soft' }, host.role)),
      facts, element('p', {}, element('a', { href: '#map=' + encodeURIComponent(host.name) }, 'On the map')), parts, ...details);
    show('host', host.name);
  }

  // order is that of the tables in a search's results: what there is most of comes last.
  const order = [...data.tables.keys()].sort((a, b) => isTalk(a) - isTalk(b) || a - b);

  function isTalk(t) {
    return ['talks to', 'connections'].includes(data.tables[t].name) ? 1 : 0;
  }

  // users is, for each table, the hosts that have each row; made by the first search.
  let users = null;
  function index() {
    if (users) return;
    users = data.tables.map((table) => table.rows.map(() => []));
    data.hosts.forEach((host) => {
      for (const part of host.tables) for (const n of rowsOf(part)) users[part[0]][n].push(host.name);
    });
    for (const table of data.tables) table.text = table.rows.map((row) => (table.name + '\n' + row.join('\n')).toLowerCase());
  }

  function hostsCell(names) {
    const td = element('td', { className: 'hosts names' });
    const add = (list, to) => list.forEach((name) => to.append(hostLink(name), ' '));
    add(names.slice(0, shownHosts), td);
    if (names.length > shownHosts) {
      const rest = element('details', {}, element('summary', {}, names.length - shownHosts + ' more'));
      rest.addEventListener('toggle', () => { if (rest.childElementCount === 1) add(names.slice(shownHosts), rest); });
      td.append(rest);
    }
    return td;
  }

  function search(query) {
    const words = query.toLowerCase().split(/\s+/).filter(Boolean);
    if (words.length === 0) return show('hosts', '');
    index();
    const blocks = [];
    let total = 0;
    const all = (text) => words.every((word) => text.includes(word));
    const named = data.hosts.filter((host) => all((host.name + '\n' + host.role).toLowerCase()));
    if (named.length > 0) {
      total += named.length;
      blocks.push(element('h3', {}, 'hosts ', element('span', { className: 'soft' }, String(named.length))),
        element('p', { className: 'names' }, ...named.flatMap((host) => [hostLink(host.name), ' '])));
    }
    for (const t of order) {
      const table = data.tables[t];
      const found = [];
      table.text.forEach((text, n) => { if (all(text)) found.push(n); });
      if (found.length === 0) continue;
      total += found.length;
      const rows = found.slice(0, shownRows).map((n) =>
        element('tr', {}, hostsCell(users[t][n]), ...table.rows[n].map((text) => cell(text, words))));
      blocks.push(element('h3', {}, table.name + ' ', element('span', { className: 'soft' }, String(found.length))),
        tableOf(['HOSTS', ...table.header], rows));
      if (found.length > shownRows) {
        blocks.push(element('p', { className: 'soft' }, shownRows + ' of ' + found.length + ' are shown: another word narrows it.'));
      }
    }
    const summary = total === 0 ? 'Nothing has ' + words.join(' and ') + '.' : total + ' found';
    document.getElementById('results').replaceChildren(element('h2', { role: 'status' }, summary), ...blocks);
    show('results', query);
  }

  // show makes one part of the page the one that is seen.
  function show(id, title) {
    if (document.getElementById(id).hidden) scrollTo(0, 0);
    for (const view of document.querySelectorAll('.view')) view.hidden = view.id !== id;
    for (const link of document.querySelectorAll('nav a')) {
      if (link.getAttribute('href') === '#' + id) link.setAttribute('aria-current', 'page');
      else link.removeAttribute('aria-current');
    }
    document.title = (title ? title + ' – ' : '') + siteTitle;
  }

  function refuse(text) {
    show('hosts', '');
    const note = document.getElementById('nothing');
    note.textContent = text;
    note.hidden = false;
  }

  const siteTitle = document.title;
  const query = document.getElementById('query');
  const views = ['hosts', 'map', 'roles', 'findings'];

  function decode(text) {
    try {
      return decodeURIComponent(text);
    } catch {
      return text; // a link that was cut off
    }
  }

  // route shows what the address names: #host=web1, #q=nginx, #map, …
  function route() {
    const [key, ...rest] = location.hash.slice(1).split('=');
    const value = decode(rest.join('='));
    document.getElementById('nothing').hidden = true;
    if (key !== 'q') query.value = '';
    else if (query.value !== value) query.value = value;
    pin(key === 'map' ? value : '');
    if (key === 'host') showHost(value);
    else if (key === 'q') search(value);
    else show(views.includes(key) ? key : 'hosts', views.includes(key) && key !== 'hosts' ? key : '');
  }

  // A search is one entry of the history, however many keys it took.
  let wait = 0;
  query.addEventListener('input', () => {
    clearTimeout(wait);
    wait = setTimeout(() => {
      const hash = query.value.trim() === '' ? '#hosts' : '#q=' + encodeURIComponent(query.value);
      if (location.hash.startsWith('#q=')) history.replaceState(null, '', hash);
      else history.pushState(null, '', hash);
      route();
    }, 120);
  });
  document.getElementById('search').addEventListener('submit', (event) => event.preventDefault());
  document.addEventListener('keydown', (event) => {
    if (event.key === '/' && event.target !== query && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      query.focus();
      query.select();
    }
  });

  // The map: what a host talks to stands out while it is pointed at or has the
  // focus, or for as long as the address names it.
  const map = document.getElementById('drawing');
  const nodes = [...map.querySelectorAll('.node')];
  const edges = [...map.querySelectorAll('.edge')];
  let pinned = null;

  function highlight(node) {
    const id = node && node.dataset.id;
    const near = new Set(node ? [id] : []);
    for (const edge of edges) {
      const on = node !== null && (edge.dataset.a === id || edge.dataset.b === id);
      edge.classList.toggle('on', on);
      if (on) near.add(edge.dataset.a).add(edge.dataset.b);
    }
    for (const n of nodes) n.classList.toggle('on', near.has(n.dataset.id));
    map.classList.toggle('focus', node !== null);
  }

  function pin(name) {
    pinned = nodes.find((n) => name !== '' && decode(n.getAttribute('href') || '') === '#host=' + name) || null;
    highlight(pinned);
  }

  for (const [on, off] of [['mouseover', 'mouseout'], ['focusin', 'focusout']]) {
    map.addEventListener(on, (event) => {
      const node = event.target.closest('.node');
      if (node) highlight(node);
    });
    map.addEventListener(off, () => highlight(pinned));
  }

  // A click on a column's name sorts by it.
  for (const table of document.querySelectorAll('.sortable')) {
    table.querySelectorAll('thead th').forEach((th, column) => {
      const button = element('button', { type: 'button' }, th.textContent);
      th.replaceChildren(button);
      button.addEventListener('click', () => {
        const down = th.getAttribute('aria-sort') === 'ascending';
        table.querySelectorAll('thead th').forEach((other) => other.removeAttribute('aria-sort'));
        th.setAttribute('aria-sort', down ? 'descending' : 'ascending');
        const body = table.tBodies[0];
        const key = (tr) => tr.cells[column].dataset.n;
        const rows = [...body.rows].sort((a, b) => (key(a) === undefined
          ? a.cells[column].textContent.localeCompare(b.cells[column].textContent, 'en', { numeric: true })
          : Number(key(a)) - Number(key(b))));
        body.replaceChildren(...(down ? rows.reverse() : rows));
      });
    });
  }

  document.getElementById('search').hidden = false;
  addEventListener('hashchange', route);
  route();
})();
