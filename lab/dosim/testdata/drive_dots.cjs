// Drives the simulator with npm's dots-wrapper.
//
// Usage: node drive_dots.cjs ENDPOINT make|clean-up, the token on standard input, dots-wrapper on
// NODE_PATH. Prints its observations as one JSON object.
const fs = require('fs');
const { createApiClient } = require('dots-wrapper');

const token = fs.readFileSync(0, 'utf8').trim();
const endpoint = process.argv[2];
const client = (bearer) => createApiClient({ token: bearer, endpoint });

async function wait(condition) {
  const deadline = Date.now() + 20000;
  while (Date.now() < deadline) {
    const found = await condition();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('the simulator did not get there');
}

async function refused(call) {
  try {
    await call;
  } catch (err) {
    return `${err.response.status} ${err.response.data.message}`;
  }
  return 'nothing was refused';
}

async function make() {
  const dots = client(token);
  const seen = {};
  seen.wrongToken = await refused(client('wrong').account.getAccount());
  const common = { region: 'fra1', size: 's-1vcpu-1gb', image: 'debian-12-x64' };

  await dots.vpc.createVpc({ name: 'default-fra1', region: 'fra1' }); // a region's first is its default
  const vpc = (await dots.vpc.createVpc({ name: 'dots', region: 'fra1', ip_range: '10.60.0.0/20' })).data.vpc;
  const made = (await dots.droplet.createDroplets({
    ...common, names: ['web-1', 'web-2'], tags: ['web'], vpc_uuid: vpc.id, user_data: '#cloud-config\n',
  })).data.droplets;
  const db = (await dots.droplet.createDroplet({ ...common, name: 'db-1', tags: ['db'], vpc_uuid: vpc.id })).data.droplet;
  seen.statusAtFirst = db.status;
  const active = (id) => wait(async () => {
    const { droplet } = (await dots.droplet.getDroplet({ droplet_id: id })).data;
    return droplet.status === 'active' && !droplet.locked && droplet;
  });
  seen.public = [];
  for (const { id } of [...made, db]) {
    seen.public.push((await active(id)).networks.v4.find((n) => n.type === 'public').ip_address);
  }
  const listed = (await dots.droplet.listDroplets({ tag_name: 'web', per_page: 1 })).data;
  seen.tagged = [listed.droplets.length, listed.meta.total, 'next' in listed.links.pages];
  seen.members = (await dots.vpc.listVpcResources({ vpc_id: vpc.id })).data.meta.total;
  seen.vpcInUse = await refused(dots.vpc.deleteVpc({ vpc_id: vpc.id }));
  await dots.vpc.updateVpc({ vpc_id: vpc.id, name: 'dots-2', description: 'changed' });
  seen.vpc = (await dots.vpc.getVpc({ vpc_id: vpc.id })).data.vpc.name;

  const firewall = (await dots.firewall.createFirewall({
    name: 'db', tags: ['db'], droplet_ids: [],
    inbound_rules: [{ protocol: 'tcp', ports: '3306', sources: { tags: ['web'] } }],
    outbound_rules: [{ protocol: 'tcp', ports: 'all', destinations: { addresses: ['0.0.0.0/0'] } }],
  })).data.firewall;
  const ssh = [{ protocol: 'tcp', ports: '22', sources: { addresses: ['0.0.0.0/0'] } }];
  await dots.firewall.addRulesToFirewall({ firewall_id: firewall.id, inbound_rules: ssh });
  await dots.firewall.addDropletsToFirewall({ firewall_id: firewall.id, droplet_ids: [made[0].id] });
  await dots.firewall.removeRulesFromFirewall({ firewall_id: firewall.id, inbound_rules: ssh });
  const now = (await wait(async () => {
    const { firewall: one } = (await dots.firewall.getFirewall({ firewall_id: firewall.id })).data;
    return one.status === 'succeeded' && one;
  }));
  seen.firewall = [now.droplet_ids.length, now.inbound_rules.length, now.outbound_rules[0].ports];
  seen.web1 = made[0].id;
  seen.db1 = db.id;

  await dots.tag.createTag({ name: 'move:1' });
  await dots.tag.tagResources({ tag_name: 'move:1', resources: [{ resource_id: String(db.id), resource_type: 'droplet' }] });
  seen.tagCount = (await dots.tag.getTag({ tag_name: 'move:1' })).data.tag.resources.count;
  await dots.tag.untagResources({ tag_name: 'move:1', resources: [{ resource_id: String(db.id), resource_type: 'droplet' }] });
  await dots.tag.deleteTag({ tag_name: 'move:1' });
  seen.tags = (await dots.tag.listTags({})).data.tags.map((t) => t.name);

  await dots.droplet.powerOffDroplet({ droplet_id: db.id });
  seen.off = (await wait(async () => {
    const { droplet } = (await dots.droplet.getDroplet({ droplet_id: db.id })).data;
    return droplet.status === 'off' && droplet;
  })).name;
  console.log(JSON.stringify(seen));
}

async function cleanUp() {
  const dots = client(token);
  const firewalls = (await dots.firewall.listFirewalls({})).data.firewalls;
  for (const { id } of firewalls) await dots.firewall.deleteFirewall({ firewall_id: id });
  await dots.droplet.deleteDropletsByTag({ tag_name: 'web' });
  for (const { id } of (await dots.droplet.listDroplets({})).data.droplets) await dots.droplet.deleteDroplet({ droplet_id: id });
  const { vpcs } = (await dots.vpc.listVpcs({})).data;
  for (const { id } of vpcs.filter((v) => !v.default)) {
    await wait(() => dots.vpc.deleteVpc({ vpc_id: id }).then(() => true, () => false));
  }
  console.log(JSON.stringify({
    droplets: (await dots.droplet.listDroplets({})).data.meta.total,
    vpcs: (await dots.vpc.listVpcs({})).data.meta.total,
    firewalls: (await dots.firewall.listFirewalls({})).data.meta.total,
  }));
}

const job = process.argv[3] === 'clean-up' ? cleanUp : make;
job().catch((err) => {
  console.error(err.response ? `${err.response.status} ${JSON.stringify(err.response.data)}` : err);
  process.exit(1);
});
