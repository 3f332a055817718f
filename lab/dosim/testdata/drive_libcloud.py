"""Drives the simulator with Apache Libcloud's DigitalOcean driver.

Usage: drive_libcloud.py HOST PORT [storage], the token on standard input. Prints its observations
as one JSON object.
"""
import json
import sys
import time

from libcloud.common.types import InvalidCredsError
from libcloud.compute.drivers.digitalocean import DigitalOceanNodeDriver
from libcloud.compute.types import NodeState

KEY = ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKAVJBSGZkFRCEClxXwdL3KcKf0mYHfQmsn3uF5mTd lab")


def driver(token, per_page=200):
    made = DigitalOceanNodeDriver(token)
    # The driver's own arguments for these do not work.
    made.ex_per_page = per_page
    made.connection.host = sys.argv[1]
    made.connection.port = int(sys.argv[2])
    made.connection.secure = False
    made.connection.connect()
    return made


def wait(condition):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise TimeoutError("the simulator did not get there")


def node_in(do, node_id, state):
    node = do.ex_get_node_details(node_id)
    return node if node.state == state and not node.extra["locked"] else None


def main():
    token = sys.stdin.read().strip()
    do = driver(token)
    seen = {}
    try:
        driver("wrong").list_nodes()
    except InvalidCredsError as err:
        seen["wrong_token"] = err.value

    seen["account_limit"] = do.ex_account_info()["droplet_limit"]
    locations = {one.id: one for one in do.list_locations()}
    sizes = {one.id: one for one in do.list_sizes(locations["fra1"])}
    images = {one.extra["slug"]: one for one in do.list_images()}
    seen["locations"], seen["sizes"] = len(locations), len(sizes)
    seen["ram"] = sizes["s-2vcpu-4gb"].ram

    key = do.create_key_pair("libcloud", KEY)
    seen["key"] = do.get_key_pair("libcloud").fingerprint == key.fingerprint

    made = []
    for number in range(3):
        made.append(do.create_node(
            "node-%d" % number, sizes["s-2vcpu-4gb"], images["debian-12-x64"], locations["fra1"],
            ex_create_attr={"ssh_keys": [key.fingerprint], "tags": ["libcloud"]},
            ex_user_data="#cloud-config\n" if number else None))
    seen["state_at_first"] = str(made[0].state)
    seen["addresses_at_first"] = made[0].public_ips
    running = [wait(lambda n=n: node_in(do, n.id, NodeState.RUNNING)) for n in made]
    seen["public"] = [n.public_ips for n in running]
    seen["private"] = [n.private_ips for n in running]
    seen["paged"] = sorted(n.name for n in driver(token, per_page=1).list_nodes())

    seen["rename"] = do.ex_rename_node(running[0], "renamed")
    seen["name"] = wait(lambda: node_in(do, running[0].id, NodeState.RUNNING)).name
    seen["shutdown"] = do.ex_shutdown_node(running[0])
    seen["off"] = wait(lambda: node_in(do, running[0].id, NodeState.STOPPED)).name
    seen["power_on"] = do.ex_power_on_node(running[0])
    wait(lambda: node_in(do, running[0].id, NodeState.RUNNING))
    seen["reboot"] = do.reboot_node(running[0])
    wait(lambda: node_in(do, running[0].id, NodeState.RUNNING))
    seen["events"] = sorted(e["type"] for e in do.ex_list_events())

    try:
        do.create_node("bad_name", sizes["s-2vcpu-4gb"], images["debian-12-x64"], locations["fra1"], ex_user_data="")
    except Exception as err:  # the driver has no type of its own for it
        seen["refused"] = str(err)
    seen["volumes"] = len(do.list_volumes())
    seen["destroyed"] = [do.destroy_node(n) for n in running]
    seen["left"] = len(do.list_nodes())
    seen["key_deleted"] = do.delete_key_pair(key)
    json.dump(seen, sys.stdout)


def storage():
    """Volumes, snapshots, images, sizes and floating IPs."""
    do = driver(sys.stdin.read().strip())
    seen = {}
    fra1 = {one.id: one for one in do.list_locations()}["fra1"]
    sizes = {one.id: one for one in do.list_sizes(fra1)}
    image = {one.extra["slug"]: one for one in do.list_images()}["debian-12-x64"]
    key = do.create_key_pair("libcloud", KEY)
    node = do.create_node("node", sizes["s-1vcpu-1gb"], image, fra1, ex_create_attr={"ssh_keys": [key.fingerprint]}, ex_user_data="")

    def settled(state=NodeState.RUNNING):
        return wait(lambda: node_in(do, node.id, state))

    settled()
    volume = do.create_volume(10, "data", fra1)
    seen["volume"] = [volume.name, volume.size, volume.extra["region_slug"]]
    seen["attached"] = do.attach_volume(node, volume)
    settled()
    volume = do.list_volumes()[0]
    seen["on"] = volume.extra["droplet_ids"] == [int(node.id)]
    try:
        do.destroy_volume(volume)
    except Exception as err:  # the driver has no type of its own for it
        seen["in_use"] = str(err)
    snapshot = do.create_volume_snapshot(volume, "before")
    seen["snapshots"] = [s.name for s in do.list_volume_snapshots(volume)]
    seen["copy"] = do.create_volume(10, "copy", fra1, snapshot=snapshot).size
    seen["snapshot_deleted"] = do.delete_volume_snapshot(snapshot)
    seen["detached"] = do.detach_volume(volume)
    settled()
    seen["volumes_destroyed"] = [do.destroy_volume(v) for v in do.list_volumes()]

    do.create_image(node, "image")
    settled()
    mine = [i for i in do.list_images() if i.name == "image"]
    seen["image"] = [i.extra["type"] for i in mine] if mine and "type" in mine[0].extra else len(mine)
    seen["image_deleted"] = do.delete_image(mine[0])
    seen["rebuild"] = do.ex_rebuild_node(node)
    settled()
    do.ex_shutdown_node(node)
    settled(NodeState.STOPPED)
    seen["resize"] = do.ex_resize_node(node, sizes["s-2vcpu-4gb"])
    seen["size"] = wait(lambda: node_in(do, node.id, NodeState.STOPPED)).extra["size_slug"]

    ip = do.ex_create_floating_ip(fra1)
    seen["ip_attached"] = do.ex_attach_floating_ip_to_node(node, ip)
    wait(lambda: do.ex_get_floating_ip(ip.ip_address).node_id)
    settled(NodeState.STOPPED)
    seen["ip_detached"] = do.ex_detach_floating_ip_from_node(node, ip)
    wait(lambda: not do.ex_get_floating_ip(ip.ip_address).node_id)
    settled(NodeState.STOPPED)
    seen["ips"] = len(do.ex_list_floating_ips())
    seen["ip_deleted"] = do.ex_delete_floating_ip(ip)
    seen["destroyed"] = do.destroy_node(node)
    json.dump(seen, sys.stdout)


storage() if sys.argv[3:] == ["storage"] else main()
