// Drives the simulator with Cloudflare's own client, and prints what came back.
import Cloudflare from 'cloudflare';

const { CF_BASE_URL, CF_TOKEN, CF_ZONE, CF_ACCOUNT } = process.env;
const client = new Cloudflare({ apiToken: CF_TOKEN, baseURL: CF_BASE_URL.replace(/\/$/, ''), maxRetries: 0 });
const out = {};

out.token = (await client.user.tokens.verify()).status;
await client.zones.create({ name: 'made.example', account: { id: CF_ACCOUNT } });
out.zones = [];
for await (const zone of client.zones.list({ per_page: 5 })) out.zones.push(zone.name);
const zone = (await client.zones.list({ name: CF_ZONE })).result[0];
out.zone = (await client.zones.get({ zone_id: zone.id })).id;
const zone_id = zone.id;
const records = client.dns.records;

// create
const www = await records.create({
  zone_id, type: 'A', name: 'www', content: '192.0.2.10', ttl: 300, comment: 'from node', tags: ['team:web'],
});
out.created = `${www.name} ${www.type} ${www.content} ttl=${www.ttl} proxied=${www.proxied} comment=${www.comment} tags=${www.tags}`;
const gone = await records.create({ zone_id, type: 'CNAME', name: 'gone', content: 'www.' + CF_ZONE, ttl: 1 });
await records.create({ zone_id, type: 'A', name: '*.wild', content: '192.0.2.20', ttl: 120 });
try {
  await records.create({ zone_id, type: 'CNAME', name: 'www', content: 'x.example.net', ttl: 1 });
} catch (err) {
  out.conflict = `${err.status} ${err.errors[0].code}`;
}

// change and list
await records.edit(www.id, { zone_id, type: 'A', name: 'www', content: '192.0.2.11', ttl: 60 });
const found = await records.list({ zone_id, name: { exact: 'www.' + CF_ZONE }, type: 'A' });
out.listed = found.result.map((r) => `${r.name} ${r.content} ${r.comment}`);

// batch
const stays = (await records.list({ zone_id, name: { startswith: 'stays' } })).result[0];
const batch = await records.batch({
  zone_id,
  posts: [{ type: 'SRV', name: '_sip._tcp', ttl: 1, data: { priority: 1, weight: 2, port: 5060, target: 'sip.' + CF_ZONE } }],
  puts: [{ id: stays.id, type: 'A', name: 'stays', content: '192.0.2.2', ttl: 60 }],
  patches: [{ id: www.id, type: 'A', name: 'www', content: '192.0.2.12', ttl: 1, proxied: true }],
  deletes: [{ id: gone.id }],
});
out.batch = {
  deletes: batch.deletes.map((r) => r.name),
  patches: batch.patches.map((r) => `${r.name} ${r.content} ttl=${r.ttl}`),
  puts: batch.puts.map((r) => `${r.name} ${r.content} ${r.comment}`),
  posts: batch.posts.map((r) => `${r.name} ${r.content}`),
};
await records.batch({
  zone_id,
  posts: [0, 1, 2, 3, 4].map((i) => ({ type: 'A', name: `n${i}`, content: '192.0.2.30', ttl: 1 })),
});
out.paged = [];
for await (const r of records.list({ zone_id, per_page: 2 })) out.paged.push(r.name);

// export, purge, delete
const exported = await records.export({ zone_id });
out.exported = typeof exported === 'string' ? exported : await exported.text();
await client.cache.purge({ zone_id, purge_everything: true });
await records.delete(www.id, { zone_id });
try {
  await records.get(www.id, { zone_id });
} catch (err) {
  out.missing = [err.status, err.errors[0].code];
}
console.log(JSON.stringify(out));
